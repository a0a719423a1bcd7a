"""Reads what a report about issuers is made of: the API's objects, and each API server itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit

import orjson

from podpass.api.errors import StatusError
from podpass.api.meta import name_of
from podpass.api.resources import AUTHENTICATIONS, CONFIG_MAPS, KUBE_API_SERVERS, NODES
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.jose.key_set import KeySet
from podpass.jose.pem import load_public_keys
from podpass.operator import names
from podpass.operator.issuer_report import IssuerReport, make_report
from podpass.operator.node_status import latest_revision, node_statuses
from podpass.operator.observations import address_of
from podpass.operator.service_account_issuer import ISSUER_ARGUMENT
from podpass.serviceaccount.discovery import CONFIGURATION_PATH

_SECONDS = 3.0
_NOT_FOUND = 404


async def read_report(client: RestClient) -> IssuerReport:
    """Look at everything once.

    Raises:
        StatusError: The API refused.
        ConnectionFailed: The API was not reached.
    """
    operator, authentication, listed = await asyncio.gather(
        client.get(KUBE_API_SERVERS, None, names.CLUSTER),
        client.get(AUTHENTICATIONS, None, names.CLUSTER),
        client.list(NODES),
    )
    addresses = {name_of(one): address_of(one).ip for one in listed["items"]}
    nodes = [one for one in node_statuses(operator) if one.name in addresses]
    found = await asyncio.gather(
        *(_running_issuer(client, addresses[one.name], one.current_revision) for one in nodes)
    )
    return make_report(
        authentication,
        operator,
        issuer_of_latest=await _configured_issuer(client, latest_revision(operator)),
        running={node.name: issuer for node, issuer in zip(nodes, found, strict=True) if issuer},
    )


async def published_keys(client: RestClient) -> KeySet:
    """Return all public keys of tokens, also one that will sign next.

    Raises:
        StatusError: The API refused.
        ConnectionFailed: The API was not reached.
        UnusableKey: A published key is damaged.
    """
    keys = []
    for name in (names.LEGACY_SIGNING_CERTS, names.SIGNING_CERTS):
        try:
            found = await client.get(CONFIG_MAPS, names.MACHINE_CONFIG_NAMESPACE, name)
        except StatusError as error:
            if error.code != _NOT_FOUND:
                raise
            continue
        for pem in (found.get("data") or {}).values():
            keys += load_public_keys(str(pem).encode())
    return KeySet(keys)


async def wanted_issuer(client: RestClient) -> str:
    """Return the issuer that was asked for.

    Raises:
        StatusError: The API refused.
        ConnectionFailed: The API was not reached.
    """
    found = await client.get(AUTHENTICATIONS, None, names.CLUSTER)
    return str((found.get("spec") or {}).get("serviceAccountIssuer") or names.DEFAULT_ISSUER)


async def _running_issuer(client: RestClient, ip: str, revision: int) -> str:
    """Return what the API server at an address says; empty if it does not answer."""
    port = urlsplit(client.config.server).port
    own = replace(client.config, server=f"https://{ip}:{port}" if port else f"https://{ip}")
    try:
        async with asyncio.timeout(_SECONDS), RestClient(own, timeout=_SECONDS) as server:
            return str(orjson.loads(await server.read_path(CONFIGURATION_PATH))["issuer"])
    except StatusError as error:
        if error.code != _NOT_FOUND:
            return ""
    except (ConnectionFailed, TimeoutError, orjson.JSONDecodeError, KeyError):
        return ""
    # An issuer that is no https URL has no discovery: what it was started with must do.
    return await _configured_issuer(client, revision)


async def _configured_issuer(client: RestClient, revision: int) -> str:
    name = names.revisioned(names.CONFIG_MAP, revision)
    try:
        found = await client.get(CONFIG_MAPS, names.OPERAND_NAMESPACE, name)
        config = orjson.loads(found["data"][names.CONFIG_KEY])
        return str(config["apiServerArguments"][ISSUER_ARGUMENT][0])
    except StatusError as error:
        if error.code != _NOT_FOUND:
            raise
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        pass
    return ""
