"""`podpass backup`, `restore` and `migrate-store`: what they take, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from bootstrap.homes import entries_of, make_home
from click.testing import CliRunner, Result

from podpass.bootstrap.home import Home
from podpass.cli.main import group


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [str(one) for one in arguments])


def test_a_backup_is_restored(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    count = len(entries_of(home)[1])
    made = run("backup", "--home", home.root, "--output", tmp_path / "b.tar")
    assert made.exit_code == 0, made.output
    assert f"{count} objects at revision {count} are in {tmp_path / 'b.tar'}" in made.output
    again = run("backup", "--home", home.root, "--output", tmp_path / "b.tar")
    assert again.exit_code == 1
    assert "give --force" in again.output

    done = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new")
    assert done.exit_code == 0, done.output
    assert f"{count} objects of " in done.output
    assert f"up --home {tmp_path / 'new'}" in done.output
    assert len(entries_of(Home(tmp_path / "new"))[1]) == count
    over = run("restore", tmp_path / "b.tar", "--home", tmp_path / "new", "--force")
    assert over.exit_code == 0, over.output
    assert "What was there is now in " in over.output


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        pytest.param(["--to", "etcd"], 2, "--to etcd needs --etcd URL", id="no etcd"),
        pytest.param(
            ["--to", "sqlite", "--etcd", "http://a"], 2, "takes no options", id="one too many"
        ),
        pytest.param(
            ["--to", "sqlite", "--etcd-prefix", "/x"], 2, "takes no options", id="a prefix"
        ),
        pytest.param([], 2, "Missing option '--to'", id="nowhere"),
        pytest.param(["--to", "sqlite"], 1, "are in sqlite already", id="where it is"),
        pytest.param(
            ["--to", "etcd", "--etcd", "ftp://a"], 1, "not of the form https://host", id="no URL"
        ),
    ],
)
def test_a_migration_that_cannot_be(
    tmp_path: Path, arguments: list[str], code: int, why: str
) -> None:
    home = make_home(tmp_path / "home")
    before = entries_of(home)
    result = run("migrate-store", "--home", home.root, *arguments)
    assert result.exit_code == code
    assert why in result.output
    assert entries_of(home) == before
