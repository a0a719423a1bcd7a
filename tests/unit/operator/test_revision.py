"""What makes a revision, and which number it gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.operator.profiles import LEGACY, TRUST_24H
from podpass.operator.revision import (
    CorrectStatus,
    Incomplete,
    Input,
    NewRevision,
    RevisionRecord,
    UpToDate,
    decide_revision,
)

CONFIG = Input("configmap", "config", required=True)
POD = Input("configmap", "kube-apiserver-pod", required=True)
OPTIONAL = Input("secret", "webhook-authenticator", required=False)
INPUTS = (CONFIG, POD, OPTIONAL)
Contents = dict[Input, dict[str, str] | None]
LIVE: Contents = {CONFIG: {"a": "1"}, POD: {"b": "1"}, OPTIONAL: None}
READY_11 = RevisionRecord(11, ready=True)


def decide(
    live: Contents,
    *records: RevisionRecord,
    latest: int = 11,
    copies: dict[int, Contents] | None = None,
    profile: object = LEGACY,
) -> object:
    return decide_revision(
        latest,
        records or (READY_11,),
        INPUTS,
        live,
        {latest: LIVE} if copies is None else copies,
        LEGACY if profile is LEGACY else TRUST_24H,
    )


def test_nothing_has_changed() -> None:
    assert decide(LIVE) == UpToDate()


@pytest.mark.parametrize(
    ("changes", "legacy", "newer"),
    [
        pytest.param(
            {CONFIG: {"a": "2"}},
            "configmap/config has changed",
            "required configmap/config has changed",
            id="one input",
        ),
        pytest.param(
            {CONFIG: {"a": "2"}, POD: {"b": "2"}, OPTIONAL: {"c": "1"}},
            "secret/webhook-authenticator has changed,configmap/config has changed,"
            "configmap/kube-apiserver-pod has changed",
            "optional secret/webhook-authenticator has been created,"
            "required configmap/config has changed,"
            "required configmap/kube-apiserver-pod has changed",
            id="several, secrets first",
        ),
    ],
)
def test_the_reason_names_what_changed(
    changes: dict[Input, dict[str, str]], legacy: str, newer: str
) -> None:
    assert decide({**LIVE, **changes}) == NewRevision(12, legacy)
    assert decide({**LIVE, **changes}, profile=TRUST_24H) == NewRevision(12, newer)


def test_an_optional_input_that_goes_is_a_change() -> None:
    copies = {11: {**LIVE, OPTIONAL: {"c": "1"}}}
    found = decide(LIVE, copies=copies, profile=TRUST_24H)
    assert found == NewRevision(12, "optional secret/webhook-authenticator has changed")


def test_a_missing_copy_makes_a_new_revision() -> None:
    found = decide(LIVE, copies={11: {**LIVE, CONFIG: None}})
    assert found == NewRevision(12, 'configmaps "config-11" not found')


def test_a_missing_required_input_stops_everything() -> None:
    found = decide({**LIVE, CONFIG: None, POD: {"b": "2"}})
    assert found == Incomplete((CONFIG,))
    assert isinstance(found, Incomplete)
    assert found.error == 'configmaps "config" not found'


def test_the_counter_is_found_again_when_the_status_was_lost() -> None:
    assert decide(LIVE, latest=0) == CorrectStatus(11)


def test_the_counter_never_goes_back() -> None:
    found = decide({**LIVE, CONFIG: {"a": "2"}}, RevisionRecord(7, ready=True))
    assert found == NewRevision(12, "configmap/config has changed")


def test_an_unfinished_revision_is_finished_when_its_copies_are_right() -> None:
    live = {**LIVE, CONFIG: {"a": "2"}}
    records = (READY_11, RevisionRecord(12, ready=False))
    unfinished: list[Contents] = [{}, {CONFIG: {"a": "2"}}]
    for made in unfinished:
        found = decide(live, *records, copies={11: LIVE, 12: made})
        assert found == NewRevision(12, "configmap/config has changed")


@pytest.mark.parametrize(
    "made",
    [
        pytest.param({CONFIG: {"a": "2"}}, id="a copy is of another content"),
        pytest.param({OPTIONAL: {"c": "1"}}, id="a copy is of something that went"),
    ],
)
def test_an_unfinished_revision_of_another_content_is_left_alone(
    made: Contents,
) -> None:
    records = (READY_11, RevisionRecord(12, ready=False))
    found = decide({**LIVE, CONFIG: {"a": "3"}}, *records, copies={11: LIVE, 12: made})
    assert found == NewRevision(13, "configmap/config has changed")


def test_an_unfinished_revision_nobody_needs_any_more_makes_none() -> None:
    records = (READY_11, RevisionRecord(12, ready=False))
    copies: dict[int, Contents] = {11: LIVE, 12: {CONFIG: {"a": "2"}}}
    assert decide(LIVE, *records, copies=copies) == UpToDate()


@given(
    latest=st.integers(0, 20),
    numbers=st.dictionaries(st.integers(1, 20), st.booleans(), max_size=8),
    value=st.sampled_from(["1", "2", "3"]),
    made=st.sampled_from(["", "1", "2", "3"]),
)
def test_a_ready_number_is_never_given_out_again(
    latest: int, numbers: dict[int, bool], value: str, made: str
) -> None:
    records = [RevisionRecord(number, ready) for number, ready in numbers.items()]
    live = {**LIVE, CONFIG: {"a": value}}
    copies: dict[int, Contents] = {
        number: {CONFIG: {"a": made} if made else None} for number in numbers
    }
    found = decide_revision(latest, records, INPUTS, live, copies, LEGACY)
    if isinstance(found, NewRevision):
        assert found.number > latest
        assert not numbers.get(found.number, False)
        if found.number in numbers and made:
            assert made == value  # what was begun is what is finished
