"""The container runtime interface and its embedded implementation."""
