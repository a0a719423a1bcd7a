"""What names, labels and keys may look like, in Kubernetes' own words.

Each function returns the problems of a value as texts, none when it is fine.

Source: apimachinery `util/validation/validation.go`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

MAX_LABEL: Final = 63
MAX_SUBDOMAIN: Final = 253

_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED: Final = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_QUALIFIED_EXAMPLES: Final = ("MyName", "my.name", "123-abc")
_LABEL_VALUE: Final = rf"({_QUALIFIED})?"
_CONFIG_KEY: Final = r"[-._a-zA-Z0-9]+"
_ENVIRONMENT_TEXT: Final = (
    "a valid environment variable name must consist only of printable ASCII characters other "
    "than '='"
)
_PORT_NAME: Final = re.compile(r"[-a-z0-9]+\Z", re.ASCII)

_LABEL_TEXT: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character"
)
_SUBDOMAIN_TEXT: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character"
)
_QUALIFIED_TEXT: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value, re.ASCII) is not None


def _regex_text(text: str, pattern: str, *examples: str) -> str:
    shown = ",  or ".join(f"'{example}'" for example in examples)
    return f"{text} (e.g. {shown}, regex used for validation is '{pattern}')"


def max_length_text(maximum: int) -> str:
    """Return the complaint about a name that is too long."""
    return f"must be no more than {maximum} bytes"


def dns_label_problems(value: str) -> list[str]:
    """Check a DNS-1123 label: names of namespaces, containers, volumes."""
    problems = [] if len(value) <= MAX_LABEL else [max_length_text(MAX_LABEL)]
    if not _matches(_LABEL, value):
        if _matches(_SUBDOMAIN, value):
            problems.append("must not contain dots")
        else:
            problems.append(_regex_text(_LABEL_TEXT, _LABEL, "my-name", "123-abc"))
    return problems


def dns_subdomain_problems(value: str) -> list[str]:
    """Check a DNS-1123 subdomain: names of most objects."""
    problems = [] if len(value) <= MAX_SUBDOMAIN else [max_length_text(MAX_SUBDOMAIN)]
    if not _matches(_SUBDOMAIN, value):
        problems.append(_regex_text(_SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return problems


def path_segment_problems(value: str) -> list[str]:
    """Check a name that need only fit into a URL path: names of RBAC objects."""
    if value in {".", ".."}:
        return [f"may not be '{value}'"]
    return [f"may not contain '{bad}'" for bad in "/%" if bad in value]


def qualified_name_problems(value: str) -> list[str]:
    """Check a name with an optional DNS prefix: `example.com/name`."""
    problems = []
    prefix, slash, name = value.rpartition("/")
    if slash and "/" in prefix:
        text = _regex_text(f"a qualified name {_QUALIFIED_TEXT}", _QUALIFIED, *_QUALIFIED_EXAMPLES)
        return [f"{text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {one}" for one in dns_subdomain_problems(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > MAX_LABEL:
        problems.append(f"name part {max_length_text(MAX_LABEL)}")
    if not _matches(_QUALIFIED, name):
        text = _regex_text(_QUALIFIED_TEXT, _QUALIFIED, *_QUALIFIED_EXAMPLES)
        problems.append(f"name part {text}")
    return problems


def label_key_problems(value: str) -> list[str]:
    """Check the key of a label."""
    return qualified_name_problems(value)


def label_value_problems(value: str) -> list[str]:
    """Check the value of a label; it may be empty."""
    problems = [] if len(value) <= MAX_LABEL else [max_length_text(MAX_LABEL)]
    if not _matches(_LABEL_VALUE, value):
        text = f"a valid label must be an empty string or {_QUALIFIED_TEXT.removeprefix('must ')}"
        problems.append(_regex_text(text, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return problems


def config_key_problems(value: str) -> list[str]:
    """Check a key of a Secret or ConfigMap; it becomes a file name."""
    problems = [] if len(value) <= MAX_SUBDOMAIN else [max_length_text(MAX_SUBDOMAIN)]
    if not _matches(_CONFIG_KEY, value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        problems.append(_regex_text(text, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if value in {".", ".."}:
        problems.append(f"must not be '{value}'")
    elif value.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def environment_name_problems(value: str) -> list[str]:
    """Check the name of an environment variable."""
    if value and all(" " <= char <= "~" and char != "=" for char in value):
        return []
    return [_ENVIRONMENT_TEXT]


def port_name_problems(value: str) -> list[str]:
    """Check the name of a container port."""
    problems = []
    if len(value) > 15:  # noqa: PLR2004 - RFC 6335
        problems.append(max_length_text(15))
    if not _PORT_NAME.match(value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def port_number_problems(value: int) -> list[str]:
    """Check the number of a port."""
    return [] if 0 < value < 1 << 16 else ["must be between 1 and 65535, inclusive"]


def ip_problems(value: str) -> list[str]:
    """Check an IP address of either family."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return []
