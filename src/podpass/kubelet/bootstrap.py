"""A kubelet's first contact: from a bootstrap kubeconfig to one of its own.

The kubeconfig of its own names the server and the CA of the first and the file of the client
certificate, so that a rotation of that file is all a renewal takes.
"""

from __future__ import annotations

import base64
from pathlib import Path

import orjson

from podpass.base.files import write_file
from podpass.client.config import ClientConfig, load_kubeconfig
from podpass.client.rest import RestClient
from podpass.kubelet.client_certificate import ClientCertificate


async def ensure_login(
    certificate: ClientCertificate, *, bootstrap_kubeconfig: Path, kubeconfig: Path
) -> None:
    """Have a client certificate that is good, and a kubeconfig that names it.

    Args:
        certificate: Of this node.
        bootstrap_kubeconfig: Names the server, its CA and a bootstrap token.
        kubeconfig: Written unless it is there and the certificate is good.

    Raises:
        ConfigError: The bootstrap kubeconfig cannot be used.
        OSError: A file cannot be written.
    """
    if kubeconfig.exists() and certificate.is_good():
        return
    config = load_kubeconfig(bootstrap_kubeconfig)
    async with RestClient(config, user_agent="podpass-kubelet") as client:
        if not certificate.is_good():
            await certificate.obtain(client)
    write_file(kubeconfig, own_kubeconfig(config, certificate.path), mode=0o600)


def own_kubeconfig(config: ClientConfig, certificate: Path) -> bytes:
    """Return the kubeconfig of a kubelet that logs in with the certificate in this file."""
    cluster: dict[str, object] = {"server": config.server}
    if config.ca_data is not None:
        cluster["certificate-authority-data"] = base64.b64encode(config.ca_data).decode()
    if config.ca_file is not None:
        cluster["certificate-authority"] = str(config.ca_file)
    login = {"client-certificate": str(certificate), "client-key": str(certificate)}
    return orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "podpass", "cluster": cluster}],
            "users": [{"name": "kubelet", "user": login}],
            "contexts": [{"name": "podpass", "context": {"cluster": "podpass", "user": "kubelet"}}],
            "current-context": "podpass",
        },
        option=orjson.OPT_INDENT_2,
    )
