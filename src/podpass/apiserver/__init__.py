"""The API server: HTTP over storage, authentication, authorization, admission."""
