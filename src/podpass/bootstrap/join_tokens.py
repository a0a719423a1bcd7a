"""Makes the token that a host joins with, and the command that carries it."""

from __future__ import annotations

import asyncio
import secrets
import string
from datetime import datetime, timedelta

from podpass.api.bootstrap_token import ID_LENGTH, SECRET_LENGTH, make_secret
from podpass.base.logs import Secret
from podpass.bootstrap.cluster import Cluster
from podpass.bootstrap.discovery import ca_hash, cluster_info
from podpass.bootstrap.home import Home, HomeError

TOKEN_LIFE = timedelta(hours=24)
_ALPHABET = string.ascii_lowercase + string.digits


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def create_join_token(home: Home, cluster: Cluster, *, now: datetime, life: timedelta) -> Secret:
    """Publish who the control plane is, and return a new token.

    Args:
        home: Of the first host.
        cluster: What it runs; made with `podpass init`.
        now: Start of the token's life.
        life: How long it can be used; 0 for ever.

    Raises:
        HomeError: The cluster is of one machine, or its API gave no answer.
    """
    if not cluster.advertised_server:
        raise HomeError(
            f"the cluster in {home.root} is of one machine; make one that hosts join "
            "with `podpass init`"
        )
    from podpass.api.errors import StatusError  # noqa: PLC0415 - rarely needed
    from podpass.api.resources import find_kind  # noqa: PLC0415
    from podpass.client.config import load_kubeconfig  # noqa: PLC0415
    from podpass.client.connection import ConnectionFailed  # noqa: PLC0415
    from podpass.client.rest import RestClient  # noqa: PLC0415

    token_id, token_secret = _random(ID_LENGTH), _random(SECRET_LENGTH)
    expires = now + life if life else None
    secret = make_secret(token_id, token_secret, expires=expires, description="podpass join")
    published = cluster_info(cluster.advertised_server, (home.pki / "ca.crt").read_bytes())

    async def create() -> None:
        async with RestClient(load_kubeconfig(home.admin_kubeconfig)) as client:
            for one in (*published, secret):
                resource = find_kind(one["apiVersion"], one["kind"])
                assert resource is not None  # noqa: S101 - all are in the table
                try:
                    await client.create(resource, one)
                except StatusError as error:
                    if error.reason != "AlreadyExists" or one is secret:
                        raise

    try:
        asyncio.run(create())
    except (StatusError, ConnectionFailed) as error:
        raise HomeError(f"cannot create the token: {error}") from error
    return Secret(f"{token_id}.{token_secret}")


def join_command(home: Home, cluster: Cluster, token: Secret) -> str:
    """Return the command to type on a host that joins.

    Raises:
        OSError: The CA cannot be read.
    """
    address = cluster.advertised_server.removeprefix("https://")
    fingerprint = ca_hash((home.pki / "ca.crt").read_bytes())
    return (
        f"podpass join {address} --token {token.reveal()} "
        f"--discovery-token-ca-cert-hash {fingerprint}"
    )
