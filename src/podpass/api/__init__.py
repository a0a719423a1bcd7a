"""Wire types and their rules, without I/O."""
