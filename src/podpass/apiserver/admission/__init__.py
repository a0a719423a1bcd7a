"""Admission plugins, in the order in which they run."""
