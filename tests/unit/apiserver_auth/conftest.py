"""The parts of authentication and authorization over a real store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from podpass.api.meta import name_of, namespace_of
from podpass.api.resources import NAMESPACES, SERVICE_ACCOUNTS, Object, Resource
from podpass.apiserver.admission.chain import AdmissionChain
from podpass.apiserver.admission.plugins import build_admission_chain
from podpass.apiserver.authentication import Authenticator
from podpass.apiserver.authorization import Authorizer
from podpass.apiserver.fresh_reads import FreshObjects, FreshReads
from podpass.apiserver.live_objects import LiveObjects
from podpass.apiserver.metrics import Metrics
from podpass.apiserver.signing_keys import Signer
from podpass.apiserver.token_request import TokenRequests
from podpass.jose.key_set import KeySet
from podpass.jose.keys import ES256, generate_signing_key
from podpass.serviceaccount.issuance import IssuancePolicy
from podpass.serviceaccount.trusted_keys import StaticKeys
from podpass.storage.cached_objects import CachedObjects
from podpass.storage.objects import ObjectStore
from podpass.testing.fake_clock import FakeClock
from podpass.testing.memory_store import MemoryStore

ISSUER = "https://issuer.example"
KEY = generate_signing_key(ES256)


class World:
    """A store, its caches, and what stands on them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.objects = ObjectStore(self.store)
        self.cached = CachedObjects(self.objects, clock=self.clock)
        self.live = LiveObjects(self.cached)
        self.authorizer = Authorizer(self.cached)
        self.no_admission = AdmissionChain(())
        self.metrics = Metrics()
        self.authenticator = Authenticator(
            keys=StaticKeys(KeySet([KEY.public])),
            issuers=[ISSUER],
            api_audiences=["api"],
            reader=self.cached,
            clock=self.clock,
            metrics=self.metrics,
        )
        self.policy = IssuancePolicy(issuer=ISSUER, api_audiences=("api",))
        self.signer = Signer(KEY, threads=1)
        self.admission = build_admission_chain(self.live, self.authorizer, self.clock, self.signer)
        self.fresh = FreshObjects(FreshReads(self.objects), self.cached)
        self.tokens = TokenRequests(
            self.policy, self.signer, self.live, self.clock, fresh=self.fresh.get
        )

    async def put(self, resource: Resource, obj: Object) -> Object:
        """Create an object, and wait until the caches have it."""
        obj.setdefault("metadata", {}).setdefault("uid", f"uid-{name_of(obj)}")
        obj = {"apiVersion": resource.api_version, "kind": resource.kind} | obj
        stored = await self.objects.create(resource, obj)
        await self.cached.caches[resource].wait_for(stored.revision, 5)
        return stored.object

    async def change(self, resource: Resource, obj: Object) -> None:
        """Replace an object, and wait until the caches have it."""
        obj = {"apiVersion": resource.api_version, "kind": resource.kind} | obj
        stored = await self.objects.update(resource, namespace_of(obj), name_of(obj), lambda _: obj)
        await self.cached.caches[resource].wait_for(stored.revision, 5)

    async def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete an object, and wait until the caches know."""
        stored = await self.objects.delete(resource, namespace, name)
        await self.cached.caches[resource].wait_for(stored.revision, 5)

    async def put_account(self, name: str = "app", namespace: str = "ns1", **more: object) -> None:
        """Create a service account."""
        metadata = {"name": name, "namespace": namespace}
        await self.put(SERVICE_ACCOUNTS, {"metadata": metadata, **more})

    async def put_namespace(self, name: str = "ns1", phase: str = "Active") -> None:
        """Create a namespace."""
        await self.put(NAMESPACES, {"metadata": {"name": name}, "status": {"phase": phase}})


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    running = asyncio.create_task(made.cached.run())
    await made.cached.wait_ready()
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    made.signer.close()
