"""docs/clients.md names the versions that the other tests have run."""

from __future__ import annotations

import pytest

from tests.clients.page import PAGE, versions_of
from tests.clients.versions import installed_versions


@pytest.mark.about_the_suite
def test_the_page_has_the_versions_that_were_run() -> None:
    named = versions_of(PAGE.read_text())
    installed = installed_versions()
    if not installed:
        pytest.skip("no client is there: make clients installs them")
    assert installed == {client: named[client] for client in installed}
