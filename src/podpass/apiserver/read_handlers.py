"""get and list: from the watch cache, stored bytes as they are.

1. No resourceVersion: as fresh as the store. `0`: what the cache has. N: not older than N.
2. A page that the cache cannot give whole, a continued list and `Exact` come from the store.
3. Objects are decoded only for selectors and for other representations than JSON objects.
"""

from __future__ import annotations

from aiohttp import web

from podpass.api import errors, tables
from podpass.api.resources import Object, Resource
from podpass.apiserver.fresh_reads import WAIT_SECONDS, FreshReads
from podpass.apiserver.list_options import ListOptions, parse_list_options
from podpass.apiserver.request_context import RequestContext
from podpass.apiserver.responses import json_response, list_body, list_metadata, object_response
from podpass.base.clock import Clock
from podpass.storage.cached_objects import CachedObjects
from podpass.storage.objects import ObjectStore, Page
from podpass.storage.stored_object import StoredObject

_INCLUDED: dict[str, tables.IncludeObject] = {
    "None": "None",
    "Metadata": "Metadata",
    "Object": "Object",
}


def include_object(context: RequestContext) -> tables.IncludeObject:
    """Return how much of each object a Table carries.

    Raises:
        StatusError: 400, the value is none of the three.
    """
    value = context.query.get("includeObject") or "Metadata"
    known = _INCLUDED.get(value)
    if known is not None:
        return known
    raise errors.bad_request(f'unrecognized includeObject value: "{value}"')


class ReadHandlers:
    """Answers get and list."""

    def __init__(
        self, objects: ObjectStore, cached: CachedObjects, fresh: FreshReads, clock: Clock
    ) -> None:
        self._objects = objects
        self._cached = cached
        self._fresh = fresh
        self._clock = clock

    async def get(self, context: RequestContext, resource: Resource) -> web.Response:
        """Return one object.

        Raises:
            StatusError: 404, there is none; 504, the resourceVersion is not reached.
        """
        return self.render(context, resource, await self.find(context, resource))

    async def find(self, context: RequestContext, resource: Resource) -> StoredObject:
        """Return the object that the request names, as fresh as it asks for (rule 1).

        Raises:
            StatusError: 404, there is none; 504, the resourceVersion is not reached.
        """
        info = context.info
        version = context.resource_version()
        cache = self._cached.caches[resource]
        if version is None:
            await self._fresh.catch_up(cache)
        elif version > cache.revision:
            await cache.wait_for(version, WAIT_SECONDS)
        stored = cache.get(info.namespace if resource.namespaced else "", info.name)
        if stored is None:
            raise errors.not_found(resource.plural, info.name, resource.group)
        return stored

    def render(
        self, context: RequestContext, resource: Resource, stored: StoredObject, *, code: int = 200
    ) -> web.Response:
        """Answer with one stored object in the form that the client accepts."""
        form = context.representation.form
        if form == "object":
            return json_response(
                stored.raw, code=code, warnings=context.warnings, pretty=context.pretty
            )
        if form == "table":
            metadata = {"resourceVersion": str(stored.revision)}
            shown = self._table(context, resource, [stored], metadata)
        else:
            shown = tables.partial_object_metadata(stored.object)
        return object_response(shown, code=code, warnings=context.warnings, pretty=context.pretty)

    async def list_objects(self, context: RequestContext, resource: Resource) -> web.Response:
        """Return the objects of a collection.

        Raises:
            StatusError: 400, 410 (too old), 422 (parameters), 504.
        """
        options = parse_list_options(context, resource)
        namespace = context.info.namespace if resource.namespaced else ""
        page = await self.page(resource, namespace, options)
        version = str(page.revision)
        remaining = page.remaining if options.selection.is_everything else None
        form = context.representation.form
        if form == "object":
            body = list_body(
                resource.api_version,
                resource.kind,
                [one.raw for one in page.items],
                resource_version=version,
                continue_token=page.continue_token,
                remaining=remaining,
            )
            return json_response(body, warnings=context.warnings, pretty=context.pretty)
        metadata = list_metadata(version, page.continue_token, remaining)
        if form == "table":
            shown = self._table(context, resource, page.items, metadata)
        else:
            shown = tables.partial_object_metadata_list(
                [one.object for one in page.items], metadata
            )
        return object_response(shown, warnings=context.warnings, pretty=context.pretty)

    async def page(self, resource: Resource, namespace: str, options: ListOptions) -> Page:
        """Return the part of a collection that the options ask for (rules 1 and 2).

        Raises:
            StatusError: 400, 410, 503, 504.
        """
        version = options.resource_version
        exact = options.match == "Exact" or (options.limit and version and not options.match)
        if options.continue_token or exact:
            return await self._stored_page(resource, namespace, options)
        cache = self._cached.caches[resource]
        if version is None:
            await self._fresh.catch_up(cache)
        elif version > cache.revision:
            await cache.wait_for(version, WAIT_SECONDS)
        items = options.selection.choose(cache.list(namespace or None))
        if options.limit and len(items) > options.limit and version is None:
            return await self._stored_page(resource, namespace, options)
        return Page(items, cache.revision)

    async def _stored_page(self, resource: Resource, namespace: str, options: ListOptions) -> Page:
        found: list[StoredObject] = []
        token = options.continue_token
        revision = options.resource_version or None
        while True:
            # Pages never hold more than is still wanted, so that the token stands right behind
            # the last object that the client got.
            page = await self._objects.list(
                resource,
                namespace or None,
                limit=options.limit - len(found) if options.limit else 0,
                continue_token=token,
                revision=None if token else revision,
            )
            found += options.selection.choose(page.items)
            token = page.continue_token
            if not token or len(found) >= options.limit:
                return Page(found, page.revision, token, page.remaining)

    def _table(
        self,
        context: RequestContext,
        resource: Resource,
        items: list[StoredObject],
        metadata: Object,
    ) -> Object:
        return tables.table(
            resource,
            [one.object for one in items],
            now=self._clock.now(),
            include_object=include_object(context),
            list_meta=metadata,
        )
