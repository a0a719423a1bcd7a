"""`audit_redaction`: nothing that is secret is left in a body."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from podpass.apiserver.audit_redaction import REDACTED, redacted
from podpass.apiserver.request_info import parse_request

SECRETS = parse_request("GET", "/api/v1/namespaces/d/secrets", {})
CONFIG_MAPS = parse_request("GET", "/api/v1/namespaces/d/configmaps", {})
REVIEWS = parse_request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {})
FOREIGN_SECRETS = parse_request("GET", "/apis/example.org/v1/secrets", {})
COPY = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"data": {"k": "HIDDEN"}}, id="data"),
        pytest.param({"stringData": {"k": "HIDDEN"}}, id="string data"),
        pytest.param({"data": "HIDDEN"}, id="data of the wrong type"),
        pytest.param({"data": {"k": {"deep": "HIDDEN"}}}, id="a nested value"),
        pytest.param({"items": [{"data": {"k": "HIDDEN"}}]}, id="a list"),
        pytest.param({"rows": [{"object": {"data": {"k": "HIDDEN"}}}]}, id="a table"),
        pytest.param({"metadata": {"annotations": {COPY: "HIDDEN"}}}, id="what kubectl applied"),
        pytest.param([{"op": "add", "path": "/data/k", "value": "HIDDEN"}], id="a JSON patch"),
        pytest.param([{"op": "add", "path": "", "value": {"x": "HIDDEN"}}], id="a whole document"),
        pytest.param(["HIDDEN"], id="no JSON patch"),
    ],
)
def test_secrets_are_taken_out(body: Any) -> None:
    shown = orjson.dumps(redacted(body, SECRETS)).decode()
    assert "HIDDEN" not in shown
    assert REDACTED in shown


def test_keys_and_metadata_of_a_secret_stay() -> None:
    body = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "x", "b": "y"}, "type": "T"}
    assert redacted(body, CONFIG_MAPS) == body | {"data": {"a": REDACTED, "b": REDACTED}}
    assert body["data"] == {"a": "x", "b": "y"}  # the original is not touched


def test_data_of_other_kinds_stay() -> None:
    body = {"kind": "ConfigMap", "data": {"k": "v"}, "metadata": {"annotations": {COPY: "c"}}}
    assert redacted(body, CONFIG_MAPS) == body
    assert redacted({"data": {"k": "v"}}, FOREIGN_SECRETS) == {"data": {"k": "v"}}


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        pytest.param(
            {"spec": {"token": "HIDDEN", "audiences": ["a"]}},
            {"spec": {"token": REDACTED, "audiences": ["a"]}},
            id="of a review",
        ),
        pytest.param({"status": {"token": "HIDDEN"}}, {"status": {"token": REDACTED}}, id="issued"),
        pytest.param({"token": {"path": "x"}}, {"token": {"path": "x"}}, id="no text"),
    ],
)
def test_tokens_are_taken_out_of_everything(body: Any, shown: Any) -> None:
    assert redacted(body, REVIEWS) == shown


@pytest.mark.parametrize("drop", [True, False])
def test_managed_fields(drop: bool) -> None:
    body = {"items": [{"metadata": {"name": "a", "managedFields": [{"manager": "m"}]}}]}
    shown = redacted(body, CONFIG_MAPS, drop_managed_fields=drop)
    assert shown == ({"items": [{"metadata": {"name": "a"}}]} if drop else body)
