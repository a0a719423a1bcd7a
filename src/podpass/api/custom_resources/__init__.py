"""Custom resources: kinds that are defined at run time by a CustomResourceDefinition. Pure.

Loaded with the first definition, not before.
"""
