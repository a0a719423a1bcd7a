"""Rules of the volumes of a pod; projected ones are in `projected_volumes`.

Source: Kubernetes `pkg/apis/core/validation/validation.go`, `validateVolumeSource`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from podpass.api.quantity import parse_quantity
from podpass.api.validation.paths import backstep_errors, mode_errors
from podpass.api.validation.projected_volumes import (
    downward_api_file_errors,
    item_errors,
    projected_volume_errors,
)

HOST_PATH_TYPES: Final = frozenset(
    {
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    }
)


def volume_errors(
    volumes: Iterable[dict[str, Any]], path: str, *, minimum_token_expiration_seconds: int
) -> list[FieldError]:
    """Return what is wrong with the volumes of a pod.

    Args:
        volumes: The volumes, with defaults.
        path: e.g. `spec.volumes`.
        minimum_token_expiration_seconds: The shortest life of a token that may be asked for.
    """
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        at = f"{path}[{index}]"
        errors += _source_errors(volume, at, minimum_token_expiration_seconds)
        name = volume.get("name") or ""
        if not name:
            errors.append(required(f"{at}.name"))
        else:
            errors += [invalid(f"{at}.name", name, one) for one in names.dns_label_problems(name)]
            if name in seen:
                errors.append(duplicate(f"{at}.name", name))
        seen.add(name)
    return errors


def _source_errors(volume: dict[str, Any], at: str, minimum_seconds: int) -> list[FieldError]:
    kinds = [key for key, value in volume.items() if key != "name" and value is not None]
    if not kinds:
        return [required(at, "must specify a volume type")]
    errors: list[FieldError] = []
    for number, kind in enumerate(sorted(kinds, key=_order)):
        place = f"{at}.{kind}"
        if number:
            errors.append(forbidden(place, "may not specify more than 1 volume type"))
        elif kind == "projected":
            errors += projected_volume_errors(
                volume[kind], place, minimum_token_expiration_seconds=minimum_seconds
            )
        elif kind in _CHECKS:
            errors += _CHECKS[kind](volume[kind], place)
    return errors


def _empty_dir(source: dict[str, Any], at: str) -> list[FieldError]:
    limit = source.get("sizeLimit")
    if limit is not None and parse_quantity(str(limit)).nanos < 0:
        text = "SizeLimit field must be a valid resource quantity"
        return [forbidden(f"{at}.sizeLimit", text)]
    return []


def _host_path(source: dict[str, Any], at: str) -> list[FieldError]:
    if not source.get("path"):
        return [required(f"{at}.path")]
    errors = backstep_errors(source["path"], f"{at}.path")
    type_ = source.get("type") or ""
    if type_ not in HOST_PATH_TYPES:
        errors.append(not_supported(f"{at}.type", type_, HOST_PATH_TYPES))
    return errors


def _keyed(source: dict[str, Any], at: str, name: str) -> list[FieldError]:
    errors = [] if source.get(name) else [required(f"{at}.{name}")]
    errors += mode_errors(source.get("defaultMode"), f"{at}.defaultMode")
    for index, item in enumerate(source.get("items") or ()):
        errors += item_errors(item, f"{at}.items[{index}]")
    return errors


def _secret(source: dict[str, Any], at: str) -> list[FieldError]:
    return _keyed(source, at, "secretName")


def _config_map(source: dict[str, Any], at: str) -> list[FieldError]:
    return _keyed(source, at, "name")


def _downward_api(source: dict[str, Any], at: str) -> list[FieldError]:
    errors = mode_errors(source.get("defaultMode"), f"{at}.defaultMode")
    for item in source.get("items") or ():
        errors += downward_api_file_errors(item, at)  # without an index, as in Kubernetes
    return errors


def _claim(source: dict[str, Any], at: str) -> list[FieldError]:
    return [] if source.get("claimName") else [required(f"{at}.claimName")]


_CHECKS: Final[Mapping[str, Callable[[dict[str, Any], str], list[FieldError]]]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "secret": _secret,
    "persistentVolumeClaim": _claim,
    "downwardAPI": _downward_api,
    "configMap": _config_map,
}
_IN_ORDER: Final = (*_CHECKS, "projected")


def _order(kind: str) -> tuple[int, str]:
    return (_IN_ORDER.index(kind) if kind in _IN_ORDER else len(_IN_ORDER), kind)
