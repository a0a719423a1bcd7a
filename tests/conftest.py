"""Tests carry the rules that they show: `@pytest.mark.rule("token-request.created")`."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.compatibility.evidence import unknown_marks

# Here, since tests of several packages import them.
pytest.register_assert_rewrite(
    "runtime.contract", "runtime.embedded_rig", "storage.contract", "storage.model"
)

# A busy machine is no fault of what is tested; before tests are collected, for they read it then.
settings.register_profile("podpass", deadline=None)
settings.load_profile("podpass")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a mark that names no rule.

    Raises:
        pytest.UsageError: Told to who runs the tests.
    """
    if unknown := unknown_marks(items):
        raise pytest.UsageError("no such rule in tests/compatibility/rules: " + "; ".join(unknown))
