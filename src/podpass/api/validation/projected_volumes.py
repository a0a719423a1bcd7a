"""Rules of projected volumes, and of the sources that they share with plain volumes.

1. Problems of a token's `path` are reported at `projected.path`, not below its source.
2. A path may be written once by secret and config map items and downward API files; the token is
   not part of that comparison.
3. A source has one type; none is accepted.
4. Checks of the types come first, then the count.

Source: Kubernetes `pkg/apis/core/validation/validation.go`, `validateProjectionSources`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import FieldError, forbidden, invalid, required
from podpass.api.validation.downward_api import field_reference_errors, resource_reference_errors
from podpass.api.validation.paths import file_path_errors, mode_errors
from podpass.api.validation.token_expiration import expiration_errors

_TYPES: Final = (
    "secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle",
    "podCertificate",
)  # fmt: skip


def projected_volume_errors(
    projected: dict[str, Any], path: str, *, minimum_token_expiration_seconds: int
) -> list[FieldError]:
    """Return what is wrong with a projected volume.

    Args:
        projected: The source, with defaults.
        path: Its path, e.g. `spec.volumes[0].projected`.
        minimum_token_expiration_seconds: The shortest life of a token that may be asked for.
    """
    errors = mode_errors(projected.get("defaultMode"), f"{path}.defaultMode")
    seen: set[str] = set()
    for index, source in enumerate(projected.get("sources") or ()):
        at = f"{path}.sources[{index}]"
        for kind in ("secret", "configMap"):
            if source.get(kind) is not None:
                errors += _named_source_errors(source[kind], f"{at}.{kind}", path, seen)
        if source.get("downwardAPI") is not None:
            errors += _downward_api_errors(source["downwardAPI"], f"{at}.downwardAPI", path, seen)
        if source.get("serviceAccountToken") is not None:
            errors += _token_errors(
                source["serviceAccountToken"],
                f"{at}.serviceAccountToken",
                path,
                minimum_token_expiration_seconds,
            )
        if source.get("clusterTrustBundle") is not None:
            bundle = source["clusterTrustBundle"]
            errors += _trust_bundle_errors(bundle, f"{at}.clusterTrustBundle", path, seen)
        if sum(source.get(kind) is not None for kind in _TYPES) > 1:
            errors.append(forbidden(at, "may not specify more than 1 volume type per source"))
    return errors


def item_errors(item: dict[str, Any], path: str) -> list[FieldError]:
    """Return what is wrong with a key that is projected to a path (`KeyToPath`)."""
    errors = []
    if not item.get("key"):
        errors.append(required(f"{path}.key"))
    if not item.get("path"):
        errors.append(required(f"{path}.path"))
    errors += file_path_errors(item.get("path", ""), f"{path}.path")
    return errors + mode_errors(item.get("mode"), f"{path}.mode")


def downward_api_file_errors(item: dict[str, Any], path: str) -> list[FieldError]:
    """Return what is wrong with a file of the downward API."""
    errors = []
    if not item.get("path"):
        errors.append(required(f"{path}.path"))
    errors += file_path_errors(item.get("path", ""), f"{path}.path")
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        errors += field_reference_errors(field, f"{path}.fieldRef", in_volume=True)
        if resource is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", text))
    elif resource is not None:
        errors += resource_reference_errors(resource, f"{path}.resourceFieldRef", in_volume=True)
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    return errors + mode_errors(item.get("mode"), f"{path}.mode")


def token_projection_errors(volumes: Iterable[dict[str, Any]], path: str) -> list[FieldError]:
    """Return complaints about token projections of a pod that names no account.

    Args:
        volumes: Volumes of the pod.
        path: e.g. `spec.volumes`.
    """
    return [
        forbidden(
            f"{path}[{index}].projected.sources[{number}].serviceAccountToken",
            "must not be specified when serviceAccountName is not set",
        )
        for index, volume in enumerate(volumes)
        for number, source in enumerate((volume.get("projected") or {}).get("sources") or ())
        if source.get("serviceAccountToken") is not None
    ]


def _named_source_errors(
    source: dict[str, Any], at: str, path: str, seen: set[str]
) -> list[FieldError]:
    errors = [] if source.get("name") else [required(f"{at}.name")]
    for index, item in enumerate(source.get("items") or ()):
        errors += item_errors(item, f"{at}.items[{index}]")
        errors += _clash(item.get("path", ""), source.get("name", ""), path, seen)
    return errors


def _downward_api_errors(
    source: dict[str, Any], at: str, path: str, seen: set[str]
) -> list[FieldError]:
    errors = []
    for item in source.get("items") or ():
        errors += downward_api_file_errors(item, at)  # without an index, as in Kubernetes
        errors += _clash(item.get("path", ""), item.get("path", ""), path, seen)
    return errors


def _token_errors(
    source: dict[str, Any], at: str, path: str, minimum_seconds: int
) -> list[FieldError]:
    seconds = source.get("expirationSeconds", 0)
    errors = expiration_errors(seconds, f"{at}.expirationSeconds", minimum_seconds=minimum_seconds)
    if not source.get("path"):
        return [*errors, required(f"{path}.path")]
    return errors + file_path_errors(source["path"], f"{path}.path")


def _trust_bundle_errors(
    source: dict[str, Any], at: str, path: str, seen: set[str]
) -> list[FieldError]:
    errors = []
    name, signer = source.get("name"), source.get("signerName")
    if name is not None and signer is not None:
        errors.append(invalid(at, source, "only one of name and signerName may be used"))
    elif name is not None:
        if not name:
            errors.append(required(f"{at}.name", "must be a valid object name"))
        else:
            bare = name.replace(":", ".")
            errors += [
                invalid(f"{at}.name", name, one) for one in names.dns_subdomain_problems(bare)
            ]
        if source.get("labelSelector") is not None:
            text = "labelSelector must be unset if name is specified"
            errors.append(invalid(f"{at}.labelSelector", source["labelSelector"], text))
    elif not signer:
        errors.append(
            required(at, "either name or signerName must be specified")
            if signer is None
            else required(f"{at}.signerName", "must be a valid signer name")
        )
    if not source.get("path"):
        return [*errors, required(f"{at}.path")]
    errors += file_path_errors(source["path"], f"{at}.path")
    return errors + _clash(source["path"], source["path"], path, seen)


def _clash(target: str, shown: str, path: str, seen: set[str]) -> list[FieldError]:
    if not target:
        return []
    if target in seen:
        return [invalid(path, shown, "conflicting duplicate paths")]
    seen.add(target)
    return []
