"""Bound service account tokens, compatible with Kubernetes and OpenShift."""

__version__ = "0.1.0"

KUBERNETES_RELEASE = "v1.36.0"
"""The Kubernetes release whose behaviour is the truth (docs/adr/0004)."""
