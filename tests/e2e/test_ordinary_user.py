"""The same, without root: a fresh clone's `make up`, done by an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import REPOSITORY, Result, claims_of, free_port, run

USER = "65534"
SYSTEM_PYTHON = "/usr/bin/python3"


def as_user(command: str, home: Path, timeout: float = 240) -> Result:
    return run(
        ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "bash", "-c", command],
        timeout=timeout,
        env={"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "PODPASS_HOME": ""},
    )


@pytest.fixture
def users_home() -> Iterator[Path]:
    """A directory that only the ordinary user owns, with a clone of the work tree in it."""
    if os.geteuid() != 0:
        pytest.skip("not root: the other tests have run as an ordinary user already")
    probe = as_user(
        f"{SYSTEM_PYTHON} -c 'import ensurepip, sys; assert sys.version_info >= (3, 11)'", Path("/")
    )
    if probe.code != 0:
        pytest.skip(f"an ordinary user has no Python 3.11 with venv here: {probe.err.strip()}")
    home = Path("/tmp") / f"podpass-user-{os.getpid()}"  # other users can reach it
    home.mkdir(mode=0o700)
    clone = home / "podpass"
    subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(clone)], check=True)
    subprocess.run(["chown", "-R", f"{USER}:{USER}", str(home)], check=True)
    yield home
    as_user(f"cd {clone} && .venv/bin/podpass down", home)
    shutil.rmtree(home)


@pytest.mark.timeout(300)
def test_an_ordinary_user_gets_a_pod_with_its_token(users_home: Path) -> None:
    clone = users_home / "podpass"
    started = as_user(
        f"cd {clone} && make .venv/installed PYTHON={SYSTEM_PYTHON} >&2"
        f" && .venv/bin/podpass up --nodes 1 --port {free_port()} --detach"
        " && .venv/bin/podpass demo",
        users_home,
    )
    assert started.code == 0, started.err
    assert '"sub": "system:serviceaccount:demo:build-robot"' in started.out
    shell = f'cd {clone} && eval "$(.venv/bin/podpass env)" && '
    exec_ = shell + "oc exec -n demo nginx -- "
    token = as_user(exec_ + "cat /var/run/secrets/tokens/vault-token", users_home)
    assert claims_of(token.out)["aud"] == ["vault"]
    served = as_user(shell + "oc logs -n demo nginx", users_home)
    assert "nginx/" in served.out
    keys = as_user(f"find {users_home}/state/podpass/pki -name '*.key' ! -perm 600", users_home)
    assert (keys.code, keys.out) == (0, "")
