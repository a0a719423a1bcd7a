"""Signing by a program outside: keys stay in a KMS or HSM (KEP-740, `v1.ExternalJWTSigner`)."""
