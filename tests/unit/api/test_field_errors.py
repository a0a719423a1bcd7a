"""Field errors, worded as Kubernetes words them."""

from typing import Any

import pytest

from podpass.api import field_errors as errors


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        pytest.param(errors.required("a"), "Required", "a: Required value", id="required"),
        pytest.param(
            errors.required("a", "set it"), "Required", "a: Required value: set it", id="how"
        ),
        pytest.param(errors.forbidden("a", "no"), "Forbidden", "a: Forbidden: no", id="forbidden"),
        pytest.param(
            errors.duplicate("a", "x"), "Duplicate", 'a: Duplicate value: "x"', id="duplicate"
        ),
        pytest.param(errors.not_found("a", "x"), "NotFound", 'a: Not found: "x"', id="not found"),
        pytest.param(
            errors.not_supported("a", "x", {"z", "y"}),
            "NotSupported",
            'a: Unsupported value: "x": supported values: "y", "z"',
            id="not supported",
        ),
        pytest.param(
            errors.too_long("", 3), "TooLong", "Too long: may not be more than 3 bytes", id="long"
        ),
    ],
)
def test_texts(error: errors.FieldError, reason: str, text: str) -> None:
    assert error.reason == f"FieldValue{reason}"
    assert str(error) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('say "x"', r'"say \"x\""'), (1, "1"), (True, "true"), (False, "false"), (None, "null"),
        ({"a": 1}, '{"a":1}'), (["a"], '["a"]'),
    ],
)  # fmt: skip
def test_how_a_value_is_shown(value: Any, shown: str) -> None:
    assert str(errors.invalid("a", value, "no")) == f"a: Invalid value: {shown}: no"


def test_several_are_joined_without_repeats() -> None:
    one, two = errors.required("a"), errors.required("b")
    assert errors.join_messages([one]) == "a: Required value"
    assert errors.join_messages([one, one]) == "a: Required value"
    assert errors.join_messages([one, two, one]) == "[a: Required value, b: Required value]"
