"""What the server's own OpenAPI documents allow and forbid, as requests; and what answers must be.

1. Names, namespaces, versions and kinds are mostly such as there are, or every request would end at
   the first check. Namespace `ns` is never deleted: nobody may make its objects 403 for the rest.
2. Bodies of patches are objects of the kind, and operations for JSON patches: documents only
   say `object`.
3. A template of pods is tried with few fields: a pod itself is tried with all, and strategies of
   templates take minutes to build.
4. Every answer is in time, is no 5xx, and is what the documents declare: a declared code and media
   type, or an error that is a `Status` with the code of the answer.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from podpass.api import codec

NAMESPACE = "ns"
NAMES = ["a", "b", "default"]
ANSWER_SECONDS = 20.0
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PROTOBUF = codec.PROTOBUF
_OPERATIONS: dict[str, Any] = {
    "type": "array",
    "maxItems": 3,
    "items": {
        "type": "object",
        "required": ["op", "path"],
        "properties": {
            "op": {"enum": ["add", "remove", "replace", "move", "copy", "test", "none"]},
            "path": {"enum": ["", "/spec", "/metadata/labels", "/metadata/name", "/data/a", "/~2"]},
            "from": {"enum": ["/metadata", "/spec", "/none"]},
            "value": {},
        },
    },
}
_POD_SPEC = "io.k8s.api.core.v1.PodSpec"
_CONTAINER = "io.k8s.api.core.v1.Container"
_OF_TEMPLATES = {
    _POD_SPEC: ("containers", "serviceAccountName", "restartPolicy", "nodeSelector"),
    _CONTAINER: ("name", "image", "command", "env"),
    "io.k8s.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps": (
        "type", "properties", "format", "required", "default", "x-kubernetes-int-or-string",
    ),
}  # fmt: skip

schemathesis.serializer.alias(APPLY_PATCH, "application/yaml")


@schemathesis.serializer(PROTOBUF)
def _protobuf(_context: Any, value: Any) -> bytes:
    """Return the bytes of an object, or of nonsense behind the magic number."""
    try:
        return codec.encode_protobuf(value)
    except Exception:  # noqa: BLE001 - what cannot be encoded is sent as it is
        return b"k8s\0" + yaml.safe_dump(repr(value)).encode()


def prepared(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with names and kinds that there are (rules 1 to 3)."""
    out = copy.deepcopy(document)
    pods = any(path.startswith("/api/v1/") for path in out["paths"])
    for name, schema in out["components"]["schemas"].items():
        properties = schema.get("properties", {})
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if kinds and "kind" in properties:
            versions = {"/".join(filter(None, (one["group"], one["version"]))) for one in kinds}
            properties["apiVersion"]["enum"] = sorted(versions)
            properties["kind"]["enum"] = sorted({one["kind"] for one in kinds})
            if "metadata" in properties:
                schema["required"] = sorted({"metadata", *schema.get("required", [])})
        if name in _OF_TEMPLATES and not pods:
            for one in properties.keys() - set(_OF_TEMPLATES[name]):
                del properties[one]
        if name.endswith(".ObjectMeta"):
            properties["name"]["enum"] = NAMES
            schema["required"] = ["name"]
            properties["namespace"]["enum"] = [NAMESPACE]
            for one in ("uid", "resourceVersion", "managedFields", "ownerReferences"):
                properties.pop(one, None)
    for item in out["paths"].values():
        for parameter in item.get("parameters", []):
            if parameter["in"] == "path":
                names = [NAMESPACE] if parameter["name"] == "namespace" else NAMES[:2]
                parameter["schema"] = {"type": "string", "enum": names}
        if patch := item.get("patch"):
            content = patch["requestBody"]["content"]
            shape = patch["responses"]["200"]["content"]["application/json"]["schema"]
            for media_type in content:
                is_list = media_type == JSON_PATCH
                content[media_type] = {"schema": _OPERATIONS if is_list else shape}
    return out


@dataclass(slots=True)
class Run:
    """Requests to one server by one user.

    Attributes:
        session: With the user's credentials.
        url: Of the server.
        examples: Requests of an operation, as often by the documents as against them.
        requests: How many were sent.
        codes: How often each code was answered.
        faults: Answers that are not as they must be, with their requests.
    """

    session: requests.Session
    url: str
    examples: int
    requests: int = 0
    codes: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def document(self, path: str) -> dict[str, Any]:
        """Return a JSON document of the server."""
        answer = self.session.get(f"{self.url}{path}", timeout=ANSWER_SECONDS)
        assert answer.status_code == requests.codes.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def fuzz(self, document: dict[str, Any]) -> None:
        """Send requests of every operation of a document."""
        schema = schemathesis.openapi.from_dict(prepared(document))
        schema.config.update(base_url=self.url)
        for result, mode in itertools.product(schema.get_all_operations(), GenerationMode):
            operation = result.ok()
            assert operation is not None, result
            self._fuzz_operation(operation.as_strategy(mode))

    def _fuzz_operation(self, strategy: st.SearchStrategy[Case[Any]]) -> None:
        @settings(
            max_examples=max(self.examples // 2, 1),
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def send(case: Case[Any]) -> None:
            self.send(case)

        send()

    def send(self, case: Case[Any]) -> None:
        """Send one request and judge its answer (rule 4)."""
        if case.method == "DELETE" and (case.path_parameters or {}).get("name") == NAMESPACE:
            return
        sent = case.as_transport_kwargs(base_url=self.url)
        self.requests += 1
        watched = "watch" in (case.query or {})
        try:
            with self.session.request(
                **sent, timeout=ANSWER_SECONDS, stream=watched, allow_redirects=False
            ) as answer:
                self.codes[answer.status_code] = self.codes.get(answer.status_code, 0) + 1
                problems = list(_problems(case, answer, watched=watched))
        except requests.RequestException as error:
            problems = [f"no answer: {error!r}"]
        if problems:
            shown = f"{case.method} {sent['url']} {sent.get('params')} {sent.get('headers')}"
            body = str(sent.get("data") or sent.get("json"))[:600]
            self.faults.append(f"{'; '.join(problems)}\n  {shown}\n  {body}")


def _problems(case: Case[Any], answer: requests.Response, *, watched: bool) -> Iterator[str]:
    code = answer.status_code
    media_type = answer.headers.get("Content-Type", "").partition(";")[0]
    if code >= requests.codes.internal_server_error:
        yield f"{code}: {answer.text[:600]}"
    elif code >= requests.codes.bad_request:
        if media_type != "application/json":
            yield f"an error of type {media_type}"
            return
        status = orjson.loads(answer.content)
        if (status.get("kind"), status.get("code")) != ("Status", code):
            yield f"an error that is no Status: {status}"
        if not status.get("message") or not status.get("reason"):
            yield f"an error that says nothing: {status}"
    else:
        responses = case.operation.definition.raw["responses"]
        declared = responses.get(str(code))
        if declared is None:
            yield f"{code} is not declared"
        elif media_type not in declared["content"] and "*/*" not in declared["content"]:
            yield f"{code} with {media_type}, declared are {list(declared['content'])}"
        elif media_type == "application/json" and not watched:
            shape = declared["content"][media_type]["schema"]
            yield from _unlike(shape, orjson.loads(answer.content))


def _unlike(shape: dict[str, Any], answer: dict[str, Any]) -> Iterator[str]:
    """Say how an answer's kind differs; an object that stays is shown in place of a Status."""
    declared = str(shape.get("$ref", "")).rpartition(".")[2]
    kind = answer.get("kind")
    if not kind or not answer.get("apiVersion"):
        yield f"an answer without kind or version: {answer}"
    elif declared and declared not in {kind, "Status"}:
        yield f"an answer of kind {kind}, declared is {declared}"
