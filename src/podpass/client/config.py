"""Where the API server is and who we are: from a kubeconfig, or from inside a pod.

Files are named, not read, so that `client.credentials` can follow their rotation. What a kubeconfig
carries inline (`*-data`) is decoded here and stays in memory.
Source: `clientcmd/api/v1` for the kubeconfig, `rest.InClusterConfig` for the pod.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podpass.base.logs import Secret

SERVICE_ACCOUNT_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(Exception):
    """The client cannot be set up; the message names the file and what is missing in it."""


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """How one API server is reached.

    Attributes:
        server: Base URL, `https://host:port`; `http` only on loopback.
        ca_file: PEM bundle that the server's certificate must chain to.
        client_certificate_file: PEM certificate (chain) to log in with.
        client_key_file: PEM key of that certificate.
        token_file: Bearer token, read again when the file changes.
        namespace: Namespace of requests that name none.
        ca_data: The bundle itself, instead of `ca_file`.
        client_certificate_data: The certificate itself, instead of its file.
        client_key_data: The key itself, instead of its file.
        token: The bearer token itself, instead of `token_file`.
        tls_server_name: Name to check the server's certificate against; by default the host.
        verify: False accepts any server certificate (`insecure-skip-tls-verify`).
    """

    server: str
    ca_file: Path | None = None
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None
    token_file: Path | None = None
    namespace: str = "default"
    ca_data: bytes | None = None
    client_certificate_data: bytes | None = None
    client_key_data: Secret | None = None
    token: Secret | None = None
    tls_server_name: str = ""
    verify: bool = True


def load_kubeconfig(path: Path, context: str | None = None) -> ClientConfig:
    """Read one context of a kubeconfig.

    Args:
        path: The file; relative paths in it are taken from its directory.
        context: Context to use; by default `current-context`.

    Raises:
        ConfigError: The file cannot be read, is not a kubeconfig, or lacks what the context names.
    """
    import yaml  # noqa: PLC0415 - a megabyte that pods with a token never need

    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read kubeconfig {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"kubeconfig {path} is not valid YAML") from error
    if not isinstance(document, dict):
        raise ConfigError(f"kubeconfig {path} is empty or not a mapping")
    name = context or document.get("current-context")
    if not name:
        raise ConfigError(f"kubeconfig {path} has no current-context")
    chosen = _entry(document, path, "contexts", "context", name)
    cluster = _entry(document, path, "clusters", "cluster", chosen.get("cluster"))
    user = _entry(document, path, "users", "user", chosen["user"]) if chosen.get("user") else {}
    if not cluster.get("server"):
        raise ConfigError(f"kubeconfig {path}: cluster {chosen.get('cluster')!r} has no server")
    key_data = _decoded(user, "client-key-data", path)
    return ClientConfig(
        server=str(cluster["server"]).rstrip("/"),
        ca_file=_file(cluster, "certificate-authority", path),
        client_certificate_file=_file(user, "client-certificate", path),
        client_key_file=_file(user, "client-key", path),
        token_file=_file(user, "tokenFile", path),
        namespace=str(chosen.get("namespace") or "default"),
        ca_data=_decoded(cluster, "certificate-authority-data", path),
        client_certificate_data=_decoded(user, "client-certificate-data", path),
        client_key_data=Secret(key_data.decode()) if key_data else None,
        token=Secret(str(user["token"])) if user.get("token") else None,
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        verify=not cluster.get("insecure-skip-tls-verify"),
    )


def in_cluster_config(
    environ: Mapping[str, str], directory: Path = SERVICE_ACCOUNT_DIRECTORY
) -> ClientConfig:
    """Return the configuration that every pod finds in itself.

    Args:
        environ: The process environment.
        directory: Where the token, `ca.crt` and namespace are mounted.

    Raises:
        ConfigError: This is not a pod, or its token is not mounted.
    """
    host = environ.get("KUBERNETES_SERVICE_HOST")
    port = environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise ConfigError(
            "not inside a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be set"
        )
    token_file = directory / "token"
    if not token_file.exists():
        raise ConfigError(f"no service account token at {token_file}")
    namespace = directory / "namespace"
    return ClientConfig(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_file=directory / "ca.crt",
        token_file=token_file,
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
    )


def _entry(document: Mapping[str, Any], path: Path, group: str, key: str, name: Any) -> Any:
    for entry in document.get(group) or []:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry.get(key) or {}
    raise ConfigError(f"kubeconfig {path}: {group} has no {name!r}")


def _file(section: Mapping[str, Any], key: str, path: Path) -> Path | None:
    value = section.get(key)
    return path.parent / str(value) if value else None


def _decoded(section: Mapping[str, Any], key: str, path: Path) -> bytes | None:
    value = section.get(key)
    if not value:
        return None
    try:
        return base64.b64decode(str(value), validate=True)
    except binascii.Error as error:
        raise ConfigError(f"kubeconfig {path}: {key} is not base64") from error
