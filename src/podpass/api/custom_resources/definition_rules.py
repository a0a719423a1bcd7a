"""Is a CustomResourceDefinition one that can be served? Kubernetes' field errors.

Webhook conversion is refused: versions differ in `apiVersion` only.

Source: apiextensions-apiserver `apis/apiextensions/validation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from podpass.api import names
from podpass.api.custom_resources import json_path
from podpass.api.custom_resources.naming import is_established
from podpass.api.custom_resources.structural import schema_errors
from podpass.api.field_errors import FieldError, forbidden, invalid, not_supported, required
from podpass.api.meta import name_of
from podpass.api.resources import Object

_SCOPES: Final = ("Cluster", "Namespaced")
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = (
    "int32", "int64", "float", "double", "byte", "date", "date-time", "password",
)  # fmt: skip
_PROTECTED: Final = re.compile(r"(.*\.)?(k8s|kubernetes)\.io\Z")
_APPROVED: Final = "api-approved.kubernetes.io"
_LABEL: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_TEXT: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    f"regex used for validation is '{_LABEL}')"
)
_MAX_LABEL: Final = 63
_DOTTED: Final = re.compile(r"(\.[A-Za-z_][-A-Za-z0-9_]*)+\Z")
_IMMUTABLE: Final = "field is immutable"


def definition_errors(definition: Object) -> list[FieldError]:
    """Return what is wrong with a definition, beside the general rules of metadata."""
    return list(_definition(definition))


def definition_update_errors(new: Object, old: Object) -> list[FieldError]:
    """Return what is wrong with a change of a definition."""
    errors = definition_errors(new)
    spec, former = new.get("spec") or {}, old.get("spec") or {}
    if is_established(old):
        errors += _changed(spec, former, "scope")
        errors += _changed(spec.get("names") or {}, former["names"], "kind", "spec.names")
    errors += _changed(spec, former, "group")
    errors += _changed(spec.get("names") or {}, former["names"], "plural", "spec.names")
    versions = {one.get("name") for one in spec.get("versions") or ()}
    for index, version in enumerate((new.get("status") or {}).get("storedVersions") or ()):
        if version not in versions:
            path = f"status.storedVersions[{index}]"
            errors.append(
                invalid(path, version, "missing from spec.versions; "
                f"{version} was previously a storage version, and must remain in spec.versions "
                "until a storage migration ensures no data remains persisted in "
                f"{version} and removes {version} from status.storedVersions")
            )  # fmt: skip
    return errors


def _changed(spec: Object, former: Object, key: str, path: str = "spec") -> list[FieldError]:
    if spec.get(key) == former.get(key):
        return []
    return [invalid(f"{path}.{key}", spec.get(key), _IMMUTABLE)]


def _definition(definition: Object) -> Iterator[FieldError]:
    spec: Object = definition.get("spec") or {}
    wanted: Object = spec.get("names") or {}
    group, name = spec.get("group") or "", name_of(definition)
    if name and name != f"{wanted.get('plural') or ''}.{group}":
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    annotations = definition["metadata"].get("annotations") or {}
    if _PROTECTED.match(group) and not annotations.get(_APPROVED):
        yield required(
            f"metadata.annotations[{_APPROVED}]",
            f'protected groups must have approval annotation "{_APPROVED}", see '
            "https://github.com/kubernetes/enhancements/pull/1111",
        )
    yield from _group(group)
    yield from _scope(spec.get("scope"))
    yield from _versions(spec)
    yield from _names(wanted)
    if spec.get("preserveUnknownFields"):
        yield invalid(
            "spec.preserveUnknownFields", value=True,
            detail="cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
            "spec.versions[*].schema instead",
        )  # fmt: skip
    yield from _conversion(spec.get("conversion") or {})


def _group(group: str) -> Iterator[FieldError]:
    if not group:
        yield required("spec.group")
        return
    problems = names.dns_subdomain_problems(group)
    if problems:
        yield invalid("spec.group", group, ",".join(problems))
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")


def _scope(scope: str | None) -> Iterator[FieldError]:
    if not scope:
        yield required("spec.scope")
    elif scope not in _SCOPES:
        yield not_supported("spec.scope", scope, _SCOPES)


def _names(wanted: Object) -> Iterator[FieldError]:
    for key in ("plural", "singular", "kind", "listKind"):
        value = wanted.get(key) or ""
        path = f"spec.names.{key}"
        if not value:
            yield required(path)
        elif key in {"plural", "singular"}:
            yield from _label(path, value)
        else:
            text = "may have mixed case, but should otherwise match: "
            yield from _label(path, value, text, str.lower)
    kind = wanted.get("kind")
    if kind and kind == wanted.get("listKind"):
        yield invalid("spec.names.listKind", kind, "kind and listKind may not be the same")
    for key in ("shortNames", "categories"):
        for index, value in enumerate(wanted.get(key) or ()):
            yield from _label(f"spec.names.{key}[{index}]", value)


def _label(
    path: str, value: str, text: str = "", shape: Callable[[str], str] = str
) -> Iterator[FieldError]:
    problems = [names.max_length_text(_MAX_LABEL)] if len(value) > _MAX_LABEL else []
    if not re.fullmatch(_LABEL, shape(value), re.ASCII):
        problems.append(_LABEL_TEXT)
    if problems:
        yield invalid(path, value, text + ",".join(problems))


def _versions(spec: Object) -> Iterator[FieldError]:
    versions: list[Object] = spec.get("versions") or []
    found = [one.get("name") or "" for one in versions]
    if len(set(found)) != len(found):
        yield invalid("spec.versions", found, "must contain unique version names")
    if sum(bool(one.get("storage")) for one in versions) != 1:
        text = "must have exactly one version marked as storage version"
        yield invalid("spec.versions", found, text)
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        yield from _label(f"{path}.name", version.get("name") or "")
        if version.get("deprecationWarning") and not version.get("deprecated"):
            text = "can only be set for deprecated versions"
            yield invalid(f"{path}.deprecationWarning", version["deprecationWarning"], text)
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        where = f"{path}.schema.openAPIV3Schema"
        if schema is None:
            yield required(where, "schemas are required")
        else:
            yield from schema_errors(schema, where)
        yield from _subresources(version.get("subresources") or {}, f"{path}.subresources")
        for at, column in enumerate(version.get("additionalPrinterColumns") or ()):
            yield from _column(column, f"{path}.additionalPrinterColumns[{at}]")
        for at, field in enumerate(version.get("selectableFields") or ()):
            where = f"{path}.selectableFields[{at}].jsonPath"
            yield from _dotted(field.get("jsonPath") or "", where, (".",), "")


def _column(column: Object, path: str) -> Iterator[FieldError]:
    if not column.get("name"):
        yield required(f"{path}.name")
    type_ = column.get("type")
    if not type_:
        text = f"must be one of {','.join(_COLUMN_TYPES)}"
        yield required(f"{path}.type", text)
    elif type_ not in _COLUMN_TYPES:
        yield invalid(f"{path}.type", type_, f"must be one of {','.join(_COLUMN_TYPES)}")
    format_ = column.get("format")
    if format_ and format_ not in _COLUMN_FORMATS:
        text = f"must be one of {','.join(_COLUMN_FORMATS)}"
        yield invalid(f"{path}.format", format_, text)
    text = column.get("jsonPath") or ""
    if not text:
        yield required(f"{path}.jsonPath")
        return
    try:
        json_path.parse(text)
    except json_path.BadPath as error:
        yield invalid(f"{path}.jsonPath", text, f"is an invalid JSON path: {error}")


def _subresources(subresources: Object, path: str) -> Iterator[FieldError]:
    scale: Any = subresources.get("scale")
    if scale is None:
        return
    for key, roots, text in (
        ("specReplicasPath", (".spec.",), "should be a json path under .spec"),
        ("statusReplicasPath", (".status.",), "should be a json path under .status"),
        (
            "labelSelectorPath",
            (".spec.", ".status."),
            "should be a json path under either .spec or .status",
        ),
    ):
        value = scale.get(key) or ""
        if not value and key != "labelSelectorPath":
            yield required(f"{path}.scale.{key}")
        elif value:
            yield from _dotted(value, f"{path}.scale.{key}", roots, text)


def _dotted(value: str, path: str, roots: tuple[str, ...], text: str) -> Iterator[FieldError]:
    if not value.startswith("."):
        yield invalid(path, value, "must be a simple json path starting with .")
    elif not _DOTTED.match(value):
        yield invalid(path, value, "must be a json path in the dot notation")
    elif not value.startswith(roots):
        yield invalid(path, value, text)


def _conversion(conversion: Object) -> Iterator[FieldError]:
    strategy = conversion.get("strategy")
    if strategy == "Webhook":
        text = "conversion webhooks are not served by podpass: versions must be convertible by None"
        yield forbidden("spec.conversion.strategy", text)
    elif strategy not in {None, "", "None"}:
        yield not_supported("spec.conversion.strategy", strategy, ("None", "Webhook"))
    elif conversion.get("webhook"):
        text = "should not be set when strategy is not set to Webhook"
        yield forbidden("spec.conversion.webhook", text)
