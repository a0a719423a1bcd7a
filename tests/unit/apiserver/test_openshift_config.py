"""OpenShift's configuration file as flags."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from podpass.apiserver.openshift_config import ConfigFileError, read_flags
from podpass.cli.apiserver import command


def write(path: Path, content: object) -> Path:
    file = path / "config.yaml"
    file.write_bytes(orjson.dumps(content))
    return file


def test_arguments_become_flags(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "b.pub").touch()
    (keys / "a.pub").touch()
    (keys / "directory").mkdir()
    single = tmp_path / "single.pub"
    single.touch()
    file = write(
        tmp_path,
        {
            "apiServerArguments": {"service-account-issuer": ["a", "b"], "secure-port": ["1"]},
            "serviceAccountPublicKeyFiles": [str(keys), str(single), str(tmp_path / "missing")],
        },
    )
    assert read_flags(file) == [
        "--service-account-issuer=a",
        "--service-account-issuer=b",
        "--secure-port=1",
        f"--service-account-key-file={keys / 'a.pub'}",
        f"--service-account-key-file={keys / 'b.pub'}",
        f"--service-account-key-file={single}",
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param([], "has no apiServerArguments", id="a list"),
        pytest.param({}, "has no apiServerArguments", id="no arguments"),
        pytest.param(
            {"apiServerArguments": {"secure-port": 1}},
            r"apiServerArguments\.secure-port must be a list of strings",
            id="a value that is no list",
        ),
        pytest.param(
            {"apiServerArguments": {"secure-port": [1]}},
            r"apiServerArguments\.secure-port must be a list of strings",
            id="a list of numbers",
        ),
        pytest.param(
            {"apiServerArguments": {}, "serviceAccountPublicKeyFiles": [1]},
            "serviceAccountPublicKeyFiles must be strings",
            id="a key file that is a number",
        ),
    ],
)
def test_another_shape_is_refused(tmp_path: Path, content: object, text: str) -> None:
    with pytest.raises(ConfigFileError, match=text):
        read_flags(write(tmp_path, content))


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"cannot read .*config\.yaml: No such file"):
        read_flags(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text("a: b")
    with pytest.raises(ConfigFileError, match=r"config\.yaml is not JSON"):
        read_flags(tmp_path / "config.yaml")


@pytest.mark.parametrize("joined", [True, False], ids=["--flag=FILE", "--flag FILE"])
def test_the_command_takes_the_file_and_refuses_what_it_does_not_know(
    tmp_path: Path, joined: bool
) -> None:
    file = str(write(tmp_path, {"apiServerArguments": {"no-such-flag": ["x"]}}))
    flag = "--openshift-config"
    found = CliRunner().invoke(command, [f"{flag}={file}"] if joined else [flag, file])
    assert found.exit_code == 2
    assert "--no-such-flag" in found.output


def test_the_command_names_a_missing_file(tmp_path: Path) -> None:
    found = CliRunner().invoke(command, ["--openshift-config", str(tmp_path / "x")])
    assert found.exit_code == 1
    assert "cannot read" in found.output
