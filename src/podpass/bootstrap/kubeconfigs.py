"""Kubeconfigs: who logs in where, with which client certificate, all in one file."""

from __future__ import annotations

import base64
from pathlib import Path

import orjson

from podpass.base.files import write_file


def _embedded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def write_kubeconfig(target: Path, *, server: str, user: str, pki: Path, stem: str) -> None:
    """Write a kubeconfig with everything in it, mode 0600.

    Args:
        target: File to write; kept when nothing would change.
        server: URL of the API.
        user: Name of the user entry, for people.
        pki: Directory of `ca.crt`, `STEM.crt` and `STEM.key`.
        stem: Which client certificate.

    Raises:
        OSError: A file is missing or the directory cannot be written.
    """
    content = orjson.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "podpass",
                    "cluster": {
                        "server": server,
                        "certificate-authority-data": _embedded(pki / "ca.crt"),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": _embedded(pki / f"{stem}.crt"),
                        "client-key-data": _embedded(pki / f"{stem}.key"),
                    },
                }
            ],
            "contexts": [
                {
                    "name": "podpass",
                    "context": {"cluster": "podpass", "user": user, "namespace": "default"},
                }
            ],
            "current-context": "podpass",
        },
        option=orjson.OPT_INDENT_2,
    )
    if not target.exists() or target.read_bytes() != content:
        write_file(target, content)
