"""Projected volumes: every rule at its edge, with Kubernetes' paths and texts."""

from typing import Any

import pytest

from podpass.api.validation.projected_volumes import (
    projected_volume_errors,
    token_projection_errors,
)
from podpass.api.validation.token_expiration import expiration_errors

PATH = "spec.volumes[0].projected"
FIRST = f"{PATH}.sources[0]"
TOKEN = f"{FIRST}.serviceAccountToken"
NAMED = {"name": "x"}


def errors(*sources: Any, mode: Any = 0o644, minimum: int = 600) -> list[str]:
    projected = {"defaultMode": mode, "sources": list(sources)}
    found = projected_volume_errors(projected, PATH, minimum_token_expiration_seconds=minimum)
    return [str(error) for error in found]


def token(path: Any = "t", seconds: int = 3600) -> dict[str, Any]:
    return {"serviceAccountToken": {"path": path, "expirationSeconds": seconds}}


def secret(*paths: str, **fields: Any) -> dict[str, Any]:
    items = [{"key": "k", "path": path} for path in paths]
    return {"secret": {"name": "s", "items": items, **fields}}


def config_map(*paths: str) -> dict[str, Any]:
    return {"configMap": {"name": "c", "items": [{"key": "k", "path": path} for path in paths]}}


def downward(path: str, **fields: Any) -> dict[str, Any]:
    field = {"apiVersion": "v1", "fieldPath": "metadata.name"}
    return {"downwardAPI": {"items": [{"path": path, "fieldRef": field} | fields]}}


def bundle(**fields: Any) -> dict[str, Any]:
    return {"clusterTrustBundle": {"path": "ca.pem", **fields}}


MODE = "must be a number between 0 and 0777 (octal), both inclusive"


@pytest.mark.rule("projected.default-mode")
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param(-1, [f"{PATH}.defaultMode: Invalid value: -1: {MODE}"], id="below"),
        pytest.param(0, [], id="no permission at all"),
        pytest.param(0o777, [], id="all permissions"),
        pytest.param(0o1000, [f"{PATH}.defaultMode: Invalid value: 512: {MODE}"], id="above"),
        pytest.param(None, [], id="not set"),
    ],
)
def test_default_mode(mode: Any, expected: list[str]) -> None:
    assert errors(mode=mode) == expected


@pytest.mark.rule("projected.token-defaults")
@pytest.mark.parametrize(
    ("seconds", "minimum", "text"),
    [
        pytest.param(600, 600, "", id="ten minutes"),
        pytest.param(
            599, 600, "599: may not specify a duration less than 10 minutes", id="a second less"
        ),
        pytest.param(
            0, 600, "0: may not specify a duration less than 10 minutes", id="an explicit zero"
        ),
        pytest.param(1 << 32, 600, "", id="the longest"),
        pytest.param(
            (1 << 32) + 1,
            600,
            "4294967297: may not specify a duration larger than 2^32 seconds",
            id="a second more",
        ),
        pytest.param(10, 10, "", id="a lowered minimum"),
        pytest.param(
            9, 10, "9: may not specify a duration less than 10 seconds", id="less than that"
        ),
        pytest.param(59, 60, "59: may not specify a duration less than 1 minute", id="a minute"),
        pytest.param(0, 1, "0: may not specify a duration less than 1 second", id="a second"),
    ],
)
def test_life_of_a_token(seconds: int, minimum: int, text: str) -> None:
    expected = [f"{TOKEN}.expirationSeconds: Invalid value: {text}"] if text else []
    assert errors(token(seconds=seconds), minimum=minimum) == expected
    same = expiration_errors(seconds, f"{TOKEN}.expirationSeconds", minimum_seconds=minimum)
    assert [str(error) for error in same] == expected


RELATIVE = "must be a relative path"
STEPS = "must not contain '..'"
STARTS = "must not start with '..'"
PATHS = [
    pytest.param("token", [], id="a name"),
    pytest.param("a/b", [], id="a directory"),
    pytest.param(".hidden", [], id="one dot"),
    pytest.param("a..b", [], id="dots inside"),
    pytest.param("...", [STARTS], id="three dots"),
    pytest.param("/token", [RELATIVE], id="absolute"),
    pytest.param("../x", [STEPS], id="upward"),
    pytest.param("a/../b", [STEPS], id="upward in the middle"),
    pytest.param("/..", [RELATIVE, STEPS], id="absolute and upward"),
    pytest.param("..", [STEPS, STARTS], id="only upward"),
    pytest.param("..data", [STARTS], id="a name of the writer"),
]


@pytest.mark.rule("projected.token-path", "projected.token-path-field")
@pytest.mark.parametrize(("path", "texts"), PATHS)
def test_path_of_a_token_is_reported_at_the_volume(path: str, texts: list[str]) -> None:
    assert errors(token(path)) == [f'{PATH}.path: Invalid value: "{path}": {t}' for t in texts]


@pytest.mark.rule("projected.token-path")
@pytest.mark.parametrize("path", ["", None])
def test_a_token_needs_a_path(path: Any) -> None:
    assert errors(token(path)) == [f"{PATH}.path: Required value"]


@pytest.mark.rule("projected.items")
@pytest.mark.parametrize(("path", "texts"), PATHS)
@pytest.mark.parametrize("kind", ["secret", "configMap"])
def test_path_of_an_item(kind: str, path: str, texts: list[str]) -> None:
    source = secret(path) if kind == "secret" else config_map(path)
    at = f"{FIRST}.{kind}.items[0].path"
    assert errors(source) == [f'{at}: Invalid value: "{path}": {text}' for text in texts]


@pytest.mark.parametrize(("path", "texts"), PATHS)
def test_path_of_a_downward_api_file(path: str, texts: list[str]) -> None:
    at = f"{FIRST}.downwardAPI.path"
    assert errors(downward(path)) == [f'{at}: Invalid value: "{path}": {text}' for text in texts]


@pytest.mark.parametrize(("path", "texts"), PATHS)
def test_path_of_a_trust_bundle(path: str, texts: list[str]) -> None:
    at = f"{FIRST}.clusterTrustBundle.path"
    source = bundle(name="x", path=path)
    assert errors(source) == [f'{at}: Invalid value: "{path}": {text}' for text in texts]


@pytest.mark.rule("projected.items", "projected.one-source")
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param({"secret": {}}, [f"{FIRST}.secret.name: Required value"], id="no secret"),
        pytest.param({"configMap": {}}, [f"{FIRST}.configMap.name: Required value"], id="no map"),
        pytest.param(secret(), [], id="a whole secret"),
        pytest.param(
            {"secret": {"name": "s", "items": [{}]}},
            [
                f"{FIRST}.secret.items[0].key: Required value",
                f"{FIRST}.secret.items[0].path: Required value",
            ],
            id="an empty item",
        ),
        pytest.param(
            {"secret": {"name": "s", "items": [{"key": "k", "path": "p", "mode": 512}]}},
            [f"{FIRST}.secret.items[0].mode: Invalid value: 512: {MODE}"],
            id="mode of an item",
        ),
        pytest.param(
            downward("p", mode=-1),
            [f"{FIRST}.downwardAPI.mode: Invalid value: -1: {MODE}"],
            id="mode of a file",
        ),
        pytest.param(downward(""), [f"{FIRST}.downwardAPI.path: Required value"], id="no path"),
        pytest.param(
            downward("p", fieldRef=None),
            [
                (
                    f"{FIRST}.downwardAPI: Required value: one of fieldRef and resourceFieldRef is "
                    "required"
                )
            ],
            id="no reference",
        ),
        pytest.param(
            downward("p", resourceFieldRef={"resource": "limits.cpu", "containerName": "c"}),
            [
                (
                    f'{FIRST}.downwardAPI: Invalid value: "resource": fieldRef and '
                    "resourceFieldRef can not be specified simultaneously"
                )
            ],
            id="two references",
        ),
        pytest.param(
            downward("p", fieldRef=None, resourceFieldRef={"resource": "limits.cpu"}),
            [f"{FIRST}.downwardAPI.resourceFieldRef.containerName: Required value"],
            id="resource of no container",
        ),
        pytest.param({}, [], id="a source of no type is accepted"),
        pytest.param(
            {**secret("a"), **config_map("b")},
            [f"{FIRST}: Forbidden: may not specify more than 1 volume type per source"],
            id="two types",
        ),
        pytest.param(
            {**token(seconds=1), **secret("../a")},
            [
                f'{FIRST}.secret.items[0].path: Invalid value: "../a": {STEPS}',
                (
                    f"{TOKEN}.expirationSeconds: Invalid value: 1: may not specify a duration less "
                    "than 10 minutes"
                ),
                f"{FIRST}: Forbidden: may not specify more than 1 volume type per source",
            ],
            id="types first, then the count",
        ),
        pytest.param(bundle(name="example.com:x"), [], id="bundle by name"),
        pytest.param(bundle(signerName="example.com/x"), [], id="bundle by signer"),
        pytest.param(
            bundle(),
            [
                (
                    f"{FIRST}.clusterTrustBundle: Required value: either name or signerName must "
                    "be specified"
                )
            ],
            id="bundle of nobody",
        ),
        pytest.param(
            bundle(signerName=""),
            [f"{FIRST}.clusterTrustBundle.signerName: Required value: must be a valid signer name"],
            id="empty signer",
        ),
        pytest.param(
            bundle(name="", path=""),
            [
                f"{FIRST}.clusterTrustBundle.name: Required value: must be a valid object name",
                f"{FIRST}.clusterTrustBundle.path: Required value",
            ],
            id="empty name and path",
        ),
    ],
)
def test_sources(source: dict[str, Any], expected: list[str]) -> None:
    assert errors(source) == expected


def test_trust_bundles_by_name_and_by_signer() -> None:
    (text,) = errors(bundle(name="a", signerName="b"))
    assert text.endswith("only one of name and signerName may be used")
    (text,) = errors(bundle(name="a", labelSelector={}))
    assert text.startswith(f"{FIRST}.clusterTrustBundle.labelSelector: Invalid value")
    (text,) = errors(bundle(name="-a"))
    assert text.startswith(f'{FIRST}.clusterTrustBundle.name: Invalid value: "-a"')


@pytest.mark.rule("projected.duplicate-paths")
@pytest.mark.parametrize(
    ("sources", "shown"),
    [
        pytest.param([secret("a", "a")], '"s"', id="twice in a secret"),
        pytest.param([secret("a"), config_map("a")], '"c"', id="secret and config map"),
        pytest.param([config_map("a"), secret("a")], '"s"', id="config map and secret"),
        pytest.param([secret("a"), downward("a")], '"a"', id="secret and downward API"),
        pytest.param([secret("ca.pem"), bundle(name="x")], '"ca.pem"', id="secret and bundle"),
    ],
)
def test_clashing_paths(sources: list[dict[str, Any]], shown: str) -> None:
    assert errors(*sources) == [f"{PATH}: Invalid value: {shown}: conflicting duplicate paths"]


@pytest.mark.rule("projected.duplicate-paths")
@pytest.mark.parametrize(
    "sources",
    [
        pytest.param([secret("a"), config_map("b")], id="different paths"),
        pytest.param([secret("a"), token("a")], id="the token is not compared"),
        pytest.param([token("a"), token("a")], id="not even with another token"),
        pytest.param([secret(), secret()], id="whole secrets cannot be compared"),
        pytest.param([token("a", 600), secret("b"), config_map("c"), downward("d")], id="all"),
    ],
)
def test_paths_that_do_not_clash(sources: list[dict[str, Any]]) -> None:
    assert errors(*sources) == []


def test_no_sources() -> None:
    assert projected_volume_errors({}, PATH, minimum_token_expiration_seconds=600) == []


@pytest.mark.rule("admission.token-without-account")
def test_a_token_of_a_pod_without_an_account() -> None:
    volumes = [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "projected": {}},
        {"name": "c", "projected": {"sources": [{"secret": {"name": "s"}}, token()]}},
    ]
    assert [str(error) for error in token_projection_errors(volumes, "spec.volumes")] == [
        (
            "spec.volumes[2].projected.sources[1].serviceAccountToken: Forbidden: must not be "
            "specified when serviceAccountName is not set"
        )
    ]
