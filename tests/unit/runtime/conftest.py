"""Runtimes to test, and what their pods are made of."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("runtime.contract", "runtime.embedded_rig")
