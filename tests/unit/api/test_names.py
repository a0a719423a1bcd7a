"""Names, labels and keys: the longest and the first too long, and Kubernetes' texts."""

from collections.abc import Callable

import pytest

from podpass.api import names

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
QUALIFIED = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
OPTIONAL_PREFIX = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
ENVIRONMENT = (
    "a valid environment variable name must consist only of printable ASCII characters other "
    "than '='"
)


@pytest.mark.parametrize(
    ("rule", "value", "problems"),
    [
        pytest.param(names.dns_label_problems, "a-1", [], id="label"),
        pytest.param(names.dns_label_problems, "a" * 63, [], id="longest label"),
        pytest.param(
            names.dns_label_problems, "a" * 64, ["must be no more than 63 bytes"], id="too long"
        ),
        pytest.param(names.dns_label_problems, "a.b", ["must not contain dots"], id="dots"),
        pytest.param(names.dns_label_problems, "A", [LABEL], id="capital"),
        pytest.param(names.dns_label_problems, "a\n", [LABEL], id="line break"),
        pytest.param(names.dns_subdomain_problems, "a.b-c.1", [], id="subdomain"),
        pytest.param(names.dns_subdomain_problems, "a" * 253, [], id="longest subdomain"),
        pytest.param(
            names.dns_subdomain_problems,
            "a" * 254,
            ["must be no more than 253 bytes"],
            id="subdomain too long",
        ),
        pytest.param(names.dns_subdomain_problems, "-a", [SUBDOMAIN], id="dash in front"),
        pytest.param(names.dns_subdomain_problems, "a..b", [SUBDOMAIN], id="two dots"),
        pytest.param(names.path_segment_problems, "system:node", [], id="path segment"),
        pytest.param(names.path_segment_problems, ".", ["may not be '.'"], id="dot"),
        pytest.param(names.path_segment_problems, "..", ["may not be '..'"], id="dot dot"),
        pytest.param(
            names.path_segment_problems,
            "a/%",
            ["may not contain '/'", "may not contain '%'"],
            id="slash and percent",
        ),
        pytest.param(names.qualified_name_problems, "a", [], id="name alone"),
        pytest.param(names.qualified_name_problems, "x.io/A_b", [], id="with a prefix"),
        pytest.param(names.qualified_name_problems, "x.io/" + "a" * 63, [], id="longest name"),
        pytest.param(
            names.qualified_name_problems,
            "a" * 64,
            ["name part must be no more than 63 bytes"],
            id="name too long",
        ),
        pytest.param(
            names.qualified_name_problems, "/a", ["prefix part must be non-empty"], id="no prefix"
        ),
        pytest.param(
            names.qualified_name_problems,
            "x/",
            ["name part must be non-empty", f"name part {QUALIFIED}"],
            id="no name",
        ),
        pytest.param(
            names.qualified_name_problems, "X/a", [f"prefix part {SUBDOMAIN}"], id="bad prefix"
        ),
        pytest.param(
            names.qualified_name_problems,
            "a/b/c",
            [f"a qualified name {QUALIFIED} {OPTIONAL_PREFIX}"],
            id="two slashes",
        ),
        pytest.param(names.label_key_problems, "a b", [f"name part {QUALIFIED}"], id="space"),
        pytest.param(names.label_value_problems, "", [], id="empty label value"),
        pytest.param(names.label_value_problems, "a" * 63, [], id="longest label value"),
        pytest.param(
            names.label_value_problems,
            "a" * 64,
            ["must be no more than 63 bytes"],
            id="label value too long",
        ),
        pytest.param(names.label_value_problems, "a-", [LABEL_VALUE], id="dash at the end"),
        pytest.param(names.config_key_problems, "a_B.c-1", [], id="config key"),
        pytest.param(names.config_key_problems, "a" * 253, [], id="longest key"),
        pytest.param(
            names.config_key_problems, "a" * 254, ["must be no more than 253 bytes"], id="long key"
        ),
        pytest.param(names.config_key_problems, "a b", [CONFIG_KEY], id="key with a space"),
        pytest.param(names.config_key_problems, "..", ["must not be '..'"], id="key dot dot"),
        pytest.param(names.config_key_problems, ".", ["must not be '.'"], id="key dot"),
        pytest.param(
            names.config_key_problems, "..a", ["must not start with '..'"], id="key starts with .."
        ),
        pytest.param(names.config_key_problems, ".a", [], id="hidden file"),
        pytest.param(names.environment_name_problems, "my var!", [], id="variable"),
        pytest.param(names.environment_name_problems, "", [ENVIRONMENT], id="empty variable"),
        pytest.param(names.environment_name_problems, "a=b", [ENVIRONMENT], id="equals sign"),
        pytest.param(names.environment_name_problems, "ä", [ENVIRONMENT], id="not ascii"),
        pytest.param(names.port_name_problems, "a" * 15, [], id="longest port name"),
        pytest.param(
            names.port_name_problems, "a" * 16, ["must be no more than 15 bytes"], id="long port"
        ),
        pytest.param(
            names.port_name_problems,
            "A_1",
            [
                "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                "must contain at least one letter (a-z)",
            ],
            id="capital port",
        ),
        pytest.param(
            names.port_name_problems,
            "a--b-",
            ["must not contain consecutive hyphens", "must not begin or end with a hyphen"],
            id="hyphens",
        ),
        pytest.param(names.ip_problems, "10.0.0.1", [], id="ipv4"),
        pytest.param(names.ip_problems, "::1", [], id="ipv6"),
        pytest.param(
            names.ip_problems,
            "10.0.0",
            ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"],
            id="no address",
        ),
    ],
)
def test_problems(rule: Callable[[str], list[str]], value: str, problems: list[str]) -> None:
    assert rule(value) == problems


@pytest.mark.parametrize(("port", "fine"), [(0, False), (1, True), (65535, True), (65536, False)])
def test_port_numbers(port: int, fine: bool) -> None:
    problems = names.port_number_problems(port)
    assert problems == ([] if fine else ["must be between 1 and 65535, inclusive"])
