"""API objects over a store of bytes: keys, preconditions, and the errors that clients see.

1. The key is `/registry/GROUP/PLURAL/NAMESPACE/NAME`, without NAMESPACE for cluster scope, `core`
   for the core group.
2. Every refusal of the store becomes a StatusError here and nowhere else: 404, 409, 410, 503, 504.
3. An update that changes nothing writes nothing.
4. Without an expected resourceVersion a lost race is run again; with one it is a conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson

from podpass.api import errors
from podpass.api.meta import name_of, namespace_of, uid_of
from podpass.api.resources import Object, Resource
from podpass.storage.continue_token import INCONSISTENT, decode_continue, encode_continue
from podpass.storage.interface import (
    Compacted,
    FutureRevision,
    KeyExists,
    KeyMissing,
    RevisionConflict,
    Store,
    StoreRevision,
    StoreUnavailable,
)
from podpass.storage.stored_object import StoredObject, at_revision, encode_as, load_as

_LIST_EXPIRED = "The resourceVersion for the provided list is too old."
_CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    """A list or a part of one, sorted by key.

    Attributes:
        items: The objects.
        revision: Revision of the snapshot, the list's resourceVersion.
        continue_token: Where the next page starts; empty on the last.
        remaining: How many objects follow on later pages.
    """

    items: list[StoredObject]
    revision: StoreRevision
    continue_token: str = ""
    remaining: int = 0


@contextmanager
def _store_errors_as_status() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise errors.service_unavailable(str(error)) from error


class ObjectStore:
    """The typed face of a store.

    Args:
        store: Where the bytes are.
        prefix: First part of every key, without a slash at the end.
    """

    def __init__(self, store: Store, *, prefix: str = "/registry") -> None:
        self.store = store
        self.prefix = prefix

    def key(self, resource: Resource, namespace: str, name: str) -> str:
        """Return the storage key of an object (rule 1).

        Raises:
            StatusError: 400, a part is missing or holds a slash.
        """
        for part in (namespace, name) if resource.namespaced else (name,):
            if not part or "/" in part:
                raise errors.bad_request(f'invalid name "{part}" of {resource.qualified}')
        return self.collection(resource, namespace) + name

    def collection(self, resource: Resource, namespace: str | None = None) -> str:
        """Return the prefix of all keys of a resource, or of those in one namespace."""
        root = f"{self.prefix}/{resource.group or 'core'}/{resource.plural}/"
        return f"{root}{namespace}/" if resource.namespaced and namespace else root

    async def current_revision(self) -> StoreRevision:
        """Return the newest revision of the store, linearizable.

        Raises:
            StatusError: 503, the store cannot be reached.
        """
        with _store_errors_as_status():
            return await self.store.current_revision()

    async def get(self, resource: Resource, namespace: str, name: str) -> StoredObject:
        """Read an object from the store itself, linearizable.

        Raises:
            StatusError: 404, there is no such object; 503.
        """
        with _store_errors_as_status():
            entry = await self.store.get(self.key(resource, namespace, name))
        if entry is None:
            raise errors.not_found(resource.plural, name, resource.group)
        return load_as(resource, entry)

    async def create(self, resource: Resource, obj: Object) -> StoredObject:
        """Write a new object; it has its name, uid and creationTimestamp already.

        Raises:
            StatusError: 409, the name is taken; 503.
        """
        name = name_of(obj)
        key = self.key(resource, namespace_of(obj), name)
        try:
            with _store_errors_as_status():
                return load_as(resource, await self.store.create(key, encode_as(resource, obj)))
        except KeyExists as error:
            raise errors.already_exists(resource.plural, name, resource.group) from error

    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        *,
        expected_resource_version: str = "",
        expected_uid: str = "",
        current: StoredObject | None = None,
    ) -> StoredObject:
        """Read, change and write an object in one step.

        Args:
            resource: Its kind.
            namespace: Empty for cluster scope.
            name: Its name.
            change: Gets a copy of its own and returns the new object; is called again after a
                lost race, so it must have no other effect. May raise StatusError.
            expected_resource_version: Refuse if the object has another one.
            expected_uid: Refuse if the object has another one.
            current: A first guess from a cache; saves a read, and is read anew when stale.

        Returns:
            The object as written, or as it was if nothing changed (rule 3).

        Raises:
            StatusError: 404; 409 when an expectation does not hold; what `change` raises; 503.
        """
        fresh = current is None
        while True:
            stored = await self.get(resource, namespace, name) if current is None else current
            try:
                self._check(resource, name, stored, expected_resource_version, expected_uid)
                new = change(orjson.loads(stored.raw))
                value = encode_as(resource, new)
                if _canonical(new) == _canonical(stored.object):
                    if fresh:
                        return stored
                    current, fresh = None, True
                    continue
                with _store_errors_as_status():
                    written = await self.store.update(stored.key, value, stored.revision)
                return load_as(resource, written)
            except KeyMissing as error:
                raise errors.not_found(resource.plural, name, resource.group) from error
            except RevisionConflict as error:
                current, fresh = load_as(resource, error.current), True
            except errors.StatusError:
                # A refusal of a guess proves nothing: look at the real state first.
                if fresh:
                    raise
                current, fresh = None, True

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        expected_uid: str = "",
        expected_resource_version: str = "",
    ) -> StoredObject:
        """Remove an object.

        Returns:
            Its last state, with the deletion's revision as resourceVersion.

        Raises:
            StatusError: 404; 409 when an expectation does not hold; 503.
        """
        stored = await self.get(resource, namespace, name)
        while True:
            self._check_deletion(resource, name, stored, expected_resource_version, expected_uid)
            try:
                with _store_errors_as_status():
                    revision = await self.store.delete(stored.key, stored.revision)
                return at_revision(stored, revision)
            except KeyMissing as error:
                raise errors.not_found(resource.plural, name, resource.group) from error
            except RevisionConflict as error:
                stored = load_as(resource, error.current)

    async def list(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        limit: int = 0,
        continue_token: str = "",
        revision: int | None = None,
    ) -> Page:
        """List objects from the store itself.

        Args:
            resource: Their kind.
            namespace: None or empty for all namespaces.
            limit: Most objects of a page; 0 for all.
            continue_token: Of the page before.
            revision: Snapshot to read; None for the newest.

        Raises:
            StatusError: 400 for a bad token; 410 when the snapshot is gone; 503; 504.
        """
        prefix = self.collection(resource, namespace)
        after = ""
        if continue_token:
            token_revision, start = decode_continue(continue_token)
            revision = None if token_revision == INCONSISTENT else token_revision
            after = prefix + start
        wanted = None if revision is None else StoreRevision(revision)
        try:
            with _store_errors_as_status():
                listing = await self.store.list(prefix, after=after, limit=limit, revision=wanted)
        except Compacted as error:
            if not continue_token:
                raise errors.expired(_LIST_EXPIRED) from error
            again = encode_continue(INCONSISTENT, after.removeprefix(prefix))
            raise errors.expired(_CONTINUE_EXPIRED, again) from error
        except FutureRevision as error:
            newest = await self.current_revision()
            raise errors.resource_version_too_large(revision or 0, newest) from error
        following = ""
        if listing.remaining and listing.items:
            last = listing.items[-1].key.removeprefix(prefix)
            following = encode_continue(listing.revision, last)
        items = [load_as(resource, entry) for entry in listing.items]
        return Page(items, listing.revision, following, listing.remaining)

    def _check(
        self, resource: Resource, name: str, stored: StoredObject, version: str, uid: str
    ) -> None:
        if uid and uid != uid_of(stored.object):
            raise errors.conflict(
                resource.plural,
                name,
                f"Precondition failed: UID in precondition: {uid}, "
                f"UID in object meta: {uid_of(stored.object)}",
                resource.group,
            )
        if version and version != str(stored.revision):
            raise errors.conflict(resource.plural, name, group=resource.group)

    def _check_deletion(
        self, resource: Resource, name: str, stored: StoredObject, version: str, uid: str
    ) -> None:
        if uid and uid != (found := uid_of(stored.object)):
            raise errors.conflict(
                resource.plural,
                name,
                f"the UID in the precondition ({uid}) does not match the UID in record ({found}). "
                "The object might have been deleted and then recreated",
                resource.group,
            )
        if version and version != str(stored.revision):
            raise errors.conflict(
                resource.plural,
                name,
                f"the ResourceVersion in the precondition ({version}) does not match the "
                f"ResourceVersion in record ({stored.revision}). The object might have been "
                "modified",
                resource.group,
            )


def _canonical(obj: Object) -> bytes:
    metadata = {key: part for key, part in obj["metadata"].items() if key != "resourceVersion"}
    return orjson.dumps({**obj, "metadata": metadata}, option=orjson.OPT_SORT_KEYS)
