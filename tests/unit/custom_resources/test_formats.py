from __future__ import annotations

import pytest

from podpass.api.custom_resources.formats import has_format


@pytest.mark.parametrize(
    ("name", "fine", "wrong"),
    [
        ("byte", "aGk=", "a"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("date", "2026-02-28", "2026-02-30"),
        ("date-time", "2026-01-02T03:04:05.5+01:00", "2026-01-02"),
        ("date-time", "2026-01-02T03:04:05Z", "2026-13-02T03:04:05Z"),
        ("duration", "1h30m", "an hour"),
        ("duration", "3 days", "3 lives"),
        ("email", "a@example.com", "example.com"),
        ("hexcolor", "#fff", "#ff"),
        ("hostname", "a.example.com", "-a"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "::1", "10.0.0.1"),
        ("k8s-long-name", "a.b", "A.b"),
        ("k8s-short-name", "a-b", "a.b"),
        ("mac", "00:11:22:33:44:55", "00:11:22:33:44"),
        ("uri", "https://example.com/a", "example"),
        ("uuid", "01234567-89ab-cdef-0123-456789abcdef", "0123"),
        ("uuid4", "01234567-89ab-4def-8123-456789abcdef", "01234567-89ab-3def-8123-456789abcdef"),
    ],
)
def test_both_sides_of_a_format(name: str, fine: str, wrong: str) -> None:
    assert (has_format(fine, name), has_format(wrong, name)) == (True, False)


def test_an_unknown_format_holds_for_all() -> None:
    assert has_format("anything", "postcode")
