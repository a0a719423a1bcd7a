"""Old token Secrets: which are marked, which deleted, and which stay for ever."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from podpass.api.resources import CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS, Object
from podpass.client.rest import RestClient
from podpass.controllers.legacy_token_cleaner import (
    INTERVAL_SECONDS,
    TRACKING_NAME,
    TRACKING_NAMESPACE,
    LegacyTokenCleaner,
    Verdict,
    is_tracked_long_enough,
    judge,
    read_date,
    secret_names,
)
from podpass.controllers.shared_informers import SharedInformers
from podpass.serviceaccount.token_secret import (
    ACCOUNT_NAME,
    ACCOUNT_UID,
    INVALID_SINCE,
    LAST_USED,
    TOKEN_TYPE,
)
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, until

PERIOD = timedelta(days=365)
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
START = NOW - PERIOD  # 2025-06-15, noon


def secret(
    labels: dict[str, str] | None = None, *, type_: str = TOKEN_TYPE, **metadata: Any
) -> Object:
    default = {
        "name": "s",
        "namespace": "ns",
        "uid": "X",
        "creationTimestamp": "2020-01-01T00:00:00Z",
        "annotations": {ACCOUNT_NAME: "app", ACCOUNT_UID: "S"},
        "labels": labels or {},
    }
    return {"type": type_, "metadata": default | metadata}


def account(*secrets: str, uid: str = "S") -> Object:
    return {
        "metadata": {"name": "app", "namespace": "ns", "uid": uid},
        "secrets": [{"name": name} for name in secrets],
    }


@pytest.mark.rule("legacy.cleaner-candidates")
@pytest.mark.parametrize(
    ("found", "owner", "verdict"),
    [
        pytest.param(secret(), account("x", "s"), "mark", id="listed and never used"),
        pytest.param(secret(), account("x"), "keep", id="not listed: made by hand"),
        pytest.param(secret(), None, "keep", id="no account"),
        pytest.param(secret(), account("s", uid="T"), "keep", id="an account made anew"),
        pytest.param(
            secret(annotations={ACCOUNT_NAME: "app"}), account("s"), "keep", id="no UID yet"
        ),
        pytest.param(secret(annotations={}), account("s"), "keep", id="no account is named"),
        pytest.param(secret(type_="Opaque"), account("s"), "keep", id="another type"),
        pytest.param(
            secret(deletionTimestamp="2026-06-15T00:00:00Z"), account("s"), "keep", id="going"
        ),
        pytest.param(
            secret(creationTimestamp="2025-06-15T12:00:00Z"), account("s"), "keep", id="too young"
        ),
        pytest.param(
            secret(creationTimestamp="2025-06-15T11:59:59Z"),
            account("s"),
            "mark",
            id="a second older than the period",
        ),
        pytest.param(
            secret({LAST_USED: "2025-06-15"}), account("s"), "keep", id="used on the first day"
        ),
        pytest.param(
            secret({LAST_USED: "2025-06-14"}), account("s"), "mark", id="used on the day before"
        ),
        pytest.param(
            secret({LAST_USED: "yesterday"}), account("s"), "keep", id="a damaged date of use"
        ),
        pytest.param(secret({LAST_USED: ""}), account("s"), "keep", id="an empty date of use"),
        pytest.param(
            secret({INVALID_SINCE: "2025-06-15"}), account("s"), "keep", id="marked for a period"
        ),
        pytest.param(
            secret({INVALID_SINCE: "2025-06-14"}), account("s"), "delete", id="marked for longer"
        ),
        pytest.param(secret({INVALID_SINCE: "damaged"}), account("s"), "mark", id="a damaged mark"),
        pytest.param(secret({INVALID_SINCE: ""}), account("s"), "mark", id="an empty mark"),
    ],
)
def test_verdicts(found: Object, owner: Object | None, verdict: Verdict) -> None:
    assert judge(found, owner, mounted=False, now=NOW, period=PERIOD) == verdict
    assert judge(found, owner, mounted=True, now=NOW, period=PERIOD) == "keep"


@pytest.mark.rule("legacy.cleaner-waits")
@pytest.mark.parametrize(
    ("since", "now", "enough"),
    [
        pytest.param(
            "2025-06-14", datetime(2026, 6, 15, tzinfo=UTC), True, id="a day and a period"
        ),
        pytest.param(
            "2025-06-14", datetime(2026, 6, 14, 23, 59, 59, tzinfo=UTC), False, id="a second less"
        ),
        pytest.param("20250614", NOW, False, id="another form"),
        pytest.param("", NOW, False, id="empty"),
        pytest.param(None, NOW, False, id="none"),
    ],
)
def test_tracking_must_have_lasted(since: str | None, now: datetime, enough: bool) -> None:
    assert is_tracked_long_enough(read_date(since), PERIOD, now) is enough


def test_dates() -> None:
    assert read_date("2026-02-28") == date(2026, 2, 28)
    assert read_date("2026-02-29") is None


@pytest.mark.rule("legacy.cleaner-candidates")
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"imagePullSecrets": [{"name": "s"}]}, id="pull secret"),
        pytest.param({"volumes": [{"secret": {"secretName": "s"}}]}, id="volume"),
        pytest.param(
            {"volumes": [{"projected": {"sources": [{"secret": {"name": "s"}}]}}]}, id="projected"
        ),
        pytest.param(
            {"containers": [{"envFrom": [{"secretRef": {"name": "s"}}]}]}, id="environment"
        ),
        pytest.param(
            {
                "initContainers": [
                    {"env": [{"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
                ]
            },
            id="variable of an init container",
        ),
    ],
)
def test_the_secrets_that_a_pod_names(spec: Object) -> None:
    assert [name for name in secret_names(spec) if name] == ["s"]


def test_a_pod_may_name_none() -> None:
    spec = {
        "volumes": [{"emptyDir": {}}, {"projected": {"sources": [{"configMap": {}}]}}],
        "containers": [{"env": [{"name": "a", "value": "b"}], "envFrom": [{"configMapRef": {}}]}],
    }
    assert not [name for name in secret_names(spec) if name]


def track(simulator: ApiSimulator, since: str) -> None:
    metadata = {"name": TRACKING_NAME, "namespace": TRACKING_NAMESPACE}
    simulator.put(CONFIG_MAPS, {"metadata": metadata, "data": {"since": since}})


def labels(simulator: ApiSimulator, name: str = "s") -> dict[str, str] | None:
    found = simulator.object(SECRETS, "ns", name)
    return None if found is None else found["metadata"].get("labels") or {}


@pytest.mark.rule("legacy.cleaner-marks")
async def test_marked_after_a_period_deleted_after_another(
    simulator: ApiSimulator, client: RestClient, informers: SharedInformers, background: Background
) -> None:
    clock = FakeClock(NOW)
    simulator.put(SERVICE_ACCOUNTS, account("s", "mounted"))
    for name in ("s", "mounted", "manual"):
        simulator.put(SECRETS, secret(name=name))
    volumes = [{"name": "v", "secret": {"secretName": "mounted"}}]
    simulator.put(
        PODS, {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"volumes": volumes}}
    )
    cleaner = LegacyTokenCleaner(client, informers, clock, PERIOD)
    background.start(cleaner.run())
    await until(lambda: clock.sleeping)
    assert labels(simulator) == {}  # there is no tracking

    track(simulator, "2025-06-15")
    await cleaner.clean_up()
    assert labels(simulator) == {}  # it has not lasted long enough

    await clock.advance(INTERVAL_SECONDS)
    await until(lambda: labels(simulator) == {INVALID_SINCE: "2026-06-16"})
    await clock.advance(365 * INTERVAL_SECONDS)
    await cleaner.clean_up()
    assert labels(simulator) is not None

    await clock.advance(INTERVAL_SECONDS)
    await until(lambda: labels(simulator) is None)
    assert labels(simulator, "mounted") == {}
    assert labels(simulator, "manual") == {}


@pytest.mark.rule("legacy.cleaner-reenable")
async def test_taking_the_mark_off_starts_again(
    simulator: ApiSimulator, client: RestClient, informers: SharedInformers
) -> None:
    clock = FakeClock(NOW)
    track(simulator, "2020-01-01")
    simulator.put(SERVICE_ACCOUNTS, account("s"))
    simulator.put(SECRETS, secret({INVALID_SINCE: "2020-01-01"}))
    simulator.put(SECRETS, secret())
    await informers.wait_synced(SECRETS, SERVICE_ACCOUNTS, PODS)
    await until(lambda: (informers[SECRETS].get("ns", "s") or {})["metadata"]["labels"] == {})
    await LegacyTokenCleaner(client, informers, clock, PERIOD).clean_up()
    assert labels(simulator) == {INVALID_SINCE: "2026-06-15"}


@pytest.mark.rule("legacy.cleaner-marks")
async def test_what_changed_since_it_was_looked_at_is_left_alone(
    simulator: ApiSimulator, client: RestClient, informers: SharedInformers
) -> None:
    track(simulator, "2020-01-01")
    simulator.put(SERVICE_ACCOUNTS, account("s"))
    simulator.put(SECRETS, secret())
    await informers.wait_synced(SECRETS, SERVICE_ACCOUNTS, PODS)
    await until(lambda: informers[SECRETS].get("ns", "s"))
    seen = informers[SECRETS].get("ns", "s")
    assert seen is not None
    seen["metadata"]["resourceVersion"] = "1"  # the look is older than what is there
    await LegacyTokenCleaner(client, informers, FakeClock(NOW), PERIOD).clean_up()
    assert labels(simulator) == {}
