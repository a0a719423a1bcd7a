"""Refusals that controllers pass over."""

import pytest

from podpass.api.errors import StatusError, already_exists, conflict, forbidden, not_found
from podpass.controllers.refusals import (
    is_conflict,
    is_creation_pointless,
    is_namespace_terminating,
    is_not_found,
)

TERMINATING = StatusError(
    403, "Forbidden", "no", {"causes": [{"reason": "NamespaceTerminating", "message": "x"}]}
)
BY_TEXT = forbidden(
    "configmaps", "a", "unable to create new content in namespace x because it is being terminated"
)
DENIED = forbidden("configmaps", "a", "no rule")


@pytest.mark.parametrize(
    ("error", "pointless", "terminating", "missing", "conflicting"),
    [
        pytest.param(not_found("namespaces", "a"), True, False, True, False, id="404"),
        pytest.param(already_exists("pods", "a"), True, False, False, False, id="exists"),
        pytest.param(conflict("pods", "a"), False, False, False, True, id="conflict"),
        pytest.param(TERMINATING, True, True, False, False, id="terminating by cause"),
        pytest.param(BY_TEXT, True, True, False, False, id="terminating by text"),
        pytest.param(DENIED, False, False, False, False, id="denied"),
    ],
)
def test_refusals(
    error: StatusError, pointless: bool, terminating: bool, missing: bool, conflicting: bool
) -> None:
    assert is_creation_pointless(error) is pointless
    assert is_namespace_terminating(error) is terminating
    assert is_not_found(error) is missing
    assert is_conflict(error) is conflicting
