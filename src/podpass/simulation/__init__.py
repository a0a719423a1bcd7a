"""Many hollow kubelets on a clock of their own: what the renewal of tokens asks of API servers."""
