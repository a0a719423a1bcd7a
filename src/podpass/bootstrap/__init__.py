"""The first start of a home: certificates, kubeconfigs, manifests, first objects."""
