"""Keys and bytes with revisions, and the typed layer over them."""
