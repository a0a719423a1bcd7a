"""Who set which field: `metadata.managedFields`, server-side apply and its conflicts.

`shapes` tells which lists and maps are merged, `leaves` takes an object apart by them, `paths`
writes sets of fields as `fieldsV1`, `owners` keeps the list of owners, `apply` merges.

Source: KEP-555; the page "Server-Side Apply"; sigs.k8s.io/structured-merge-diff.
"""
