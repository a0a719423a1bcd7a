"""Tests carry the rules that they show: `@pytest.mark.rule("token-request.created")`."""

from __future__ import annotations

import pytest

from tests.compatibility.evidence import unknown_marks

# Here, since tests of several packages import them.
pytest.register_assert_rewrite(
    "runtime.contract", "runtime.embedded_rig", "storage.contract", "storage.model"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a mark that names no rule.

    Raises:
        pytest.UsageError: Told to who runs the tests.
    """
    if unknown := unknown_marks(items):
        raise pytest.UsageError("no such rule in tests/compatibility/rules: " + "; ".join(unknown))
