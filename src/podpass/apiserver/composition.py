"""Builds the handlers of an API server and what stands behind them: only objects, nothing runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from podpass.api import resources
from podpass.apiserver.access_review import AccessReviews
from podpass.apiserver.admission.plugins import build_admission_chain
from podpass.apiserver.apply_handler import ApplyHandler
from podpass.apiserver.auditing import Auditor
from podpass.apiserver.authentication import Authenticator
from podpass.apiserver.authorization import Authorizer
from podpass.apiserver.custom_resources_openapi import OpenApiDocuments
from podpass.apiserver.custom_resources_scale import CustomScaleHandlers
from podpass.apiserver.delete_handlers import DeleteHandlers
from podpass.apiserver.eviction import EvictionHandler
from podpass.apiserver.external_jwt.lifetime import Lifetimes
from podpass.apiserver.fresh_reads import FreshObjects, FreshReads
from podpass.apiserver.health import HealthChecks
from podpass.apiserver.kubelet_client import KubeletClient
from podpass.apiserver.legacy_tokens import LegacyTokens
from podpass.apiserver.live_objects import LiveObjects
from podpass.apiserver.metrics import Metrics
from podpass.apiserver.non_resource import NonResourceHandlers
from podpass.apiserver.overload.choice import admission_control
from podpass.apiserver.pod_connect import PodConnect
from podpass.apiserver.read_handlers import ReadHandlers
from podpass.apiserver.request_flow import RequestFlow
from podpass.apiserver.routes import Handlers, Routes
from podpass.apiserver.rules_review import RulesReviews
from podpass.apiserver.scale_handlers import ScaleHandlers
from podpass.apiserver.settings import ApiServerSettings
from podpass.apiserver.signing import Signing
from podpass.apiserver.special_handlers import SpecialHandlers
from podpass.apiserver.token_request import TokenRequests
from podpass.apiserver.token_review import SelfSubjectReviews, TokenReviews
from podpass.apiserver.watch_stream import WatchStream
from podpass.apiserver.well_known import IssuerDocuments
from podpass.apiserver.write_handlers import WriteHandlers
from podpass.base.clock import Clock
from podpass.serviceaccount.issuance import IssuancePolicy
from podpass.serviceaccount.legacy import LegacyTokenValidator
from podpass.storage.cached_objects import CachedObjects


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What the handlers stand on.

    Attributes:
        settings: Of the server.
        cached: Watch caches over the store.
        signing: Signs tokens, and has the keys that are trusted.
        metrics: What is counted.
        kubelets: For logs and exec.
        health: Checks behind `/livez` and the like.
        stopping: Set when the server stops; ends watches.
        is_started: Whether requests can be answered.
        is_draining: Whether the server is about to stop, and connections should end.
        auditor: The audit log, if there is one.
        clock: Time.
    """

    settings: ApiServerSettings
    cached: CachedObjects
    signing: Signing
    metrics: Metrics
    kubelets: KubeletClient
    health: HealthChecks
    stopping: asyncio.Event
    is_started: Callable[[], bool]
    is_draining: Callable[[], bool]
    auditor: Auditor | None
    clock: Clock


def issuance_policy(settings: ApiServerSettings, lifetimes: Lifetimes) -> IssuancePolicy:
    """Return what tokens this server issues."""
    return IssuancePolicy(
        issuer=settings.service_account_issuers[0],
        api_audiences=settings.audiences,
        minimum_seconds=int(settings.service_account_min_token_expiration.total_seconds()),
        maximum_seconds=lifetimes.maximum,
        extend=settings.service_account_extend_token_expiration,
        extended_seconds=lifetimes.extended,
    )


def compose(base: Foundation) -> RequestFlow:
    """Return the way of all requests."""
    settings, clock, cached = base.settings, base.clock, base.cached
    objects = cached.objects
    policy = issuance_policy(settings, base.signing.lifetimes)
    live = LiveObjects(cached)
    metrics = base.metrics
    legacy = LegacyTokenValidator(base.signing.keys, settings.audiences, live)
    authenticator = Authenticator(
        keys=base.signing.keys,
        issuers=settings.service_account_issuers,
        api_audiences=settings.audiences,
        reader=cached,
        clock=clock,
        anonymous=settings.anonymous_auth,
        metrics=metrics,
        legacy=LegacyTokens(legacy, objects, metrics.tokens, clock),
    )
    authorizer = Authorizer(
        cached, observe=lambda action, seconds: metrics.graph_actions.observe(seconds, action)
    )
    admission = build_admission_chain(live, authorizer, clock, base.signing.signer)
    fresh = FreshReads(objects)
    reads = ReadHandlers(objects, cached, fresh, clock)
    writes = WriteHandlers(
        objects, admission, reads, clock, minimum_token_expiration_seconds=policy.minimum_seconds
    )
    deletes = DeleteHandlers(objects, admission, reads, clock)
    access = AccessReviews(authorizer)
    special = SpecialHandlers(
        objects=objects,
        admission=admission,
        writes=writes,
        tokens=TokenRequests(
            policy, base.signing.signer, live, clock, fresh=FreshObjects(fresh, cached).get
        ),
        reviews={
            resources.TOKEN_REVIEWS: TokenReviews(authenticator).create,
            resources.SELF_SUBJECT_REVIEWS: SelfSubjectReviews(clock).create,
            resources.SUBJECT_ACCESS_REVIEWS: access.create,
            resources.SELF_SUBJECT_ACCESS_REVIEWS: access.create_self,
            resources.LOCAL_SUBJECT_ACCESS_REVIEWS: access.create_local,
            resources.SELF_SUBJECT_RULES_REVIEWS: RulesReviews(authorizer).create,
        },
        clock=clock,
    )
    handlers = Handlers(
        reads=reads,
        watches=WatchStream(cached, fresh, clock, metrics, base.stopping),
        writes=writes,
        applies=ApplyHandler(objects, writes, authorizer, clock),
        deletes=deletes,
        special=special,
        pods=PodConnect(cached, base.kubelets),
        scales=ScaleHandlers(reads, writes, clock),
        custom_scales=CustomScaleHandlers(reads, writes, clock),
        evictions=EvictionHandler(objects, writes, deletes, clock),
    )
    documents = IssuerDocuments(
        issuer=policy.issuer,
        jwks_uri=settings.service_account_jwks_uri,
        external_address=settings.external_address,
        keys=base.signing.keys,
    )
    return RequestFlow(
        authenticator=authenticator,
        authorizer=authorizer,
        catch_up=partial(fresh.catch_up, cached.caches[resources.PODS]),
        routes=Routes(handlers, cached.custom),
        catch_up_definitions=partial(
            fresh.catch_up, cached.caches[resources.CUSTOM_RESOURCE_DEFINITIONS]
        ),
        non_resource=NonResourceHandlers(
            health=base.health,
            counters=metrics,
            documents=documents,
            external_address=settings.external_address,
            kinds=cached.custom,
            openapi=OpenApiDocuments(cached.custom),
        ),
        metrics=metrics,
        clock=clock,
        is_started=base.is_started,
        is_draining=base.is_draining,
        overload=admission_control(settings, metrics.registry, clock),
        auditor=base.auditor,
    )
