"""Rules of Secrets and ConfigMaps.

Source: Kubernetes `pkg/apis/core/validation/validation.go`, `ValidateSecret`,
`ValidateConfigMap`.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import orjson

from podpass.api import names
from podpass.api.field_errors import FieldError, forbidden, invalid, required, too_long
from podpass.api.meta import annotations_of
from podpass.api.resources import Object
from podpass.api.validation.metadata import IMMUTABLE

MAX_BYTES: Final = 1024 * 1024
TOKEN_TYPE: Final = "kubernetes.io/service-account-token"  # noqa: S105 - a type, not a secret
ACCOUNT_ANNOTATION: Final = "kubernetes.io/service-account.name"
_SET_IMMUTABLE: Final = "field is immutable when `immutable` is set"
_NEEDED_KEYS: Final = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON_TYPES: Final = ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson")
_BASIC_KEYS: Final = ("username", "password")


def secret_errors(secret: Object) -> list[FieldError]:
    """Return what is wrong with a Secret; no text shows a value of it."""
    data = secret.get("data") or {}
    errors = _key_errors(data, "data")
    if sum(_decoded_size(value) for value in data.values()) > MAX_BYTES:
        errors.append(too_long("data", MAX_BYTES))
    type_ = secret.get("type") or ""
    if type_ == TOKEN_TYPE and not annotations_of(secret).get(ACCOUNT_ANNOTATION):
        errors.append(required(f"metadata.annotations[{ACCOUNT_ANNOTATION}]"))
    if type_ == "kubernetes.io/basic-auth" and not any(key in data for key in _BASIC_KEYS):
        errors += [required(f"data[{key}]") for key in _BASIC_KEYS]
    for key in _NEEDED_KEYS.get(type_, ()):
        if key not in data:
            errors.append(required(f"data[{key}]"))
        elif type_ in _JSON_TYPES and not _is_json(data[key]):
            text = "must be JSON"
            errors.append(invalid(f"data[{key}]", "<secret contents redacted>", text))
    return errors


def secret_update_errors(new: Object, old: Object) -> list[FieldError]:
    """Return what may not change in a Secret and does."""
    errors = secret_errors(new)
    if (new.get("type") or "") != (old.get("type") or ""):
        errors.append(invalid("type", new.get("type") or "", IMMUTABLE))
    return errors + _immutable_errors(new, old, ("data",))


def config_map_errors(config_map: Object) -> list[FieldError]:
    """Return what is wrong with a ConfigMap."""
    data, binary = config_map.get("data") or {}, config_map.get("binaryData") or {}
    errors = []
    for key in data:
        errors += _key_errors({key: ""}, "data")
        if key in binary:
            errors.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    errors += _key_errors(binary, "binaryData")
    size = sum(len(value.encode()) for value in data.values())
    if size + sum(_decoded_size(value) for value in binary.values()) > MAX_BYTES:
        errors.append(too_long("", MAX_BYTES))
    return errors


def config_map_update_errors(new: Object, old: Object) -> list[FieldError]:
    """Return what may not change in a ConfigMap and does."""
    return config_map_errors(new) + _immutable_errors(new, old, ("data", "binaryData"))


def _immutable_errors(new: Object, old: Object, keys: tuple[str, ...]) -> list[FieldError]:
    if not old.get("immutable"):
        return []
    errors = []
    if not new.get("immutable"):
        errors.append(forbidden("immutable", _SET_IMMUTABLE))
    return errors + [
        forbidden(key, _SET_IMMUTABLE)
        for key in keys
        if (new.get(key) or {}) != (old.get(key) or {})
    ]


def _key_errors(data: dict[str, Any], path: str) -> list[FieldError]:
    return [
        invalid(f"{path}[{key}]", key, one)
        for key in data
        for one in names.config_key_problems(key)
    ]


def _decoded_size(value: str) -> int:
    return len(value) * 3 // 4 - value.count("=", -2)


def _is_json(value: str) -> bool:
    try:
        orjson.loads(base64.b64decode(value))
    except ValueError:
        return False
    return True
