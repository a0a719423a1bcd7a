"""Keys, JWK and JWS: bytes in, bytes out."""
