"""The kube-apiserver operator: rolls revisions of the API server out over the nodes, one by one."""
