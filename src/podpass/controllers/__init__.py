"""Reconcile loops of the controller manager."""
