"""One node: runs pods and keeps their volumes and tokens fresh."""
