"""The key that signs bound tokens: the next one, the published ones, the one in use.

1. The next key is made when it is missing: who deletes it rotates the key.
2. Its public half is published, under the first free name, before anything is signed with it;
   published keys are never taken away here.
3. It is promoted only when every node runs a revision that knows its public half; the very first
   one is promoted at once, so that there is something to install.

Keys are compared by value. Source: openshift/cluster-kube-apiserver-operator,
`boundsatokensignercontroller`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from podpass.operator.names import PRIVATE_KEY, PUBLIC_KEY

NOT_PUBLISHED = (
    "unable to promote bound sa token signing key until public key configmap has been updated"
)


class SignerError(Exception):
    """A step cannot be done yet, or the key pair is unusable."""


class Promotion(Enum):
    """What to do with the next key."""

    DONE = "in use"
    NOW = "copy it"
    LATER = "some node does not know its public half"


def is_pair(data: Mapping[str, str] | None) -> bool:
    """Tell whether a Secret holds both halves (rule 1)."""
    return bool(data and data.get(PRIVATE_KEY) and data.get(PUBLIC_KEY))


def publish_key(published: Mapping[str, str], public_key: str) -> dict[str, str] | None:
    """Return the published keys with this one; None if it is among them (rule 2).

    Args:
        published: Name to PEM.
        public_key: PEM.

    Raises:
        SignerError: The key is empty.
    """
    if not public_key:
        raise SignerError("the next signing key has an empty public key")
    if public_key in published.values():
        return None
    number = len(published) + 1
    while (name := f"service-account-{number:03}.pub") in published:
        number += 1
    return {**published, name: public_key}


def decide_promotion(
    *,
    next_pair: Mapping[str, str],
    active_pair: Mapping[str, str] | None,
    published: Mapping[str, str],
    known_by_nodes: Iterable[Mapping[str, str] | None],
) -> Promotion:
    """Return whether the next key may sign (rule 3).

    Args:
        next_pair: The Secret of the next key.
        active_pair: The Secret of the key in use, or None.
        published: The ConfigMap of public keys.
        known_by_nodes: For every revision that runs on a node, its copy of that ConfigMap, or None.

    Raises:
        SignerError: The public half is not published.
    """
    if active_pair is not None and all(
        active_pair.get(key) == next_pair.get(key) for key in (PRIVATE_KEY, PUBLIC_KEY)
    ):
        return Promotion.DONE
    public = next_pair.get(PUBLIC_KEY, "")
    if public not in published.values():
        raise SignerError(NOT_PUBLISHED)
    if active_pair is None:
        return Promotion.NOW
    known = all(copy is not None and public in copy.values() for copy in known_by_nodes)
    return Promotion.NOW if known else Promotion.LATER
