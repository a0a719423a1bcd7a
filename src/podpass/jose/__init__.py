"""Keys and signed tokens: bytes in, bytes out. Knows nothing of accounts or objects."""
