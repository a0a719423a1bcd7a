"""Objects for the tests of the typed layer."""

from podpass.api.resources import Object


def config_map(name: str, namespace: str = "ns", *, data: str = "", uid: str = "") -> Object:
    """Return a ConfigMap; without `data` it has none."""
    obj: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "uid": uid or f"uid-{name}"},
    }
    if data:
        obj["data"] = {"key": data}
    return obj


def node(name: str) -> Object:
    """Return a Node, which has no namespace."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": f"uid-{name}"}}
