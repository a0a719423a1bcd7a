"""The podpass command line."""
