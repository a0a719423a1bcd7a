"""`podpass controller-manager` refuses what cannot work in one clear line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from podpass.cli.controller_manager import command


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--leader-elect-lease-duration", "10"], id="lease as long as the deadline"),
        pytest.param(["--leader-elect-retry-period", "10"], id="retry as long as the deadline"),
    ],
)
def test_spans_that_do_not_fit(arguments: list[str]) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert "must be above" in result.output


@pytest.mark.parametrize(
    "option",
    [
        pytest.param("--tls-cert-file", id="a certificate of the server without a key"),
        pytest.param("--client-ca-file", id="a CA of callers without a server"),
        pytest.param(
            "--cluster-signing-kubelet-serving-cert-file", id="a CA of kubelets without its key"
        ),
    ],
)
def test_files_that_go_together(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(command, [option, str(tmp_path / "file")])
    assert result.exit_code == 2
    assert "go together" in result.output


def test_a_damaged_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("{}")
    result = CliRunner().invoke(command, ["--kubeconfig", str(path)])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == f"Error: kubeconfig {path} has no current-context"


def test_a_missing_kubeconfig(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--kubeconfig", str(tmp_path / "none")])
    assert result.exit_code == 2
