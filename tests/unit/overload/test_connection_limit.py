from __future__ import annotations

import resource

import pytest

from podpass.apiserver.overload.connection_limit import (
    MAXIMUM_CONNECTIONS,
    maximum_connections,
    share_of_files,
)


@pytest.mark.parametrize(
    ("files", "connections"),
    [
        pytest.param(1, 1, id="there is always one"),
        pytest.param(1024, 768, id="a quarter is for other files"),
        pytest.param(1_000_000, MAXIMUM_CONNECTIONS, id="memory is a limit too"),
    ],
)
def test_files_are_left_for_the_rest_of_the_server(files: int, connections: int) -> None:
    assert share_of_files(files) == connections


def test_the_system_is_asked_for_as_many_files_as_are_needed() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        expected = MAXIMUM_CONNECTIONS if hard == -1 else share_of_files(hard)
        assert maximum_connections() == expected
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
