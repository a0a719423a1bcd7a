"""`podpass token`: what it prints, what it never prints, and its exit codes."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podpass.base.clock import SystemClock
from podpass.cli.token import command
from podpass.testing.fake_issuer import ISSUER, FakeIssuer, encoded

SIGNER = FakeIssuer()
NOW = SystemClock().now() - timedelta(seconds=5)


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(command, list(arguments), input=stdin)


@pytest.fixture
def jwks(tmp_path: Path) -> list[str]:
    path = tmp_path / "jwks.json"
    path.write_bytes(SIGNER.jwks())
    return ["--issuer", ISSUER, "--jwks", str(path)]


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """A cluster that nobody serves."""
    path = tmp_path / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    return path


def test_inspect_shows_every_claim_and_no_signature() -> None:
    token = SIGNER.token(NOW)
    result = run("inspect", "-", stdin=token + "\n")
    assert result.exit_code == 0
    rows = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert rows["issuer"] == '"https://issuer.example"'
    assert rows["pod"] == '"app-0" uid "P"'
    assert rows["audiences"] == '"vault"'
    # NOW is when this file was imported, some minutes ago where all tests run.
    assert re.search(r"UTC \(in [45]\d min", rows["expires"])
    assert "ago" in rows["issued"]
    assert "anybody can write such a token" in result.stderr
    assert token.rpartition(".")[2] not in result.output


def test_inspect_as_json_has_header_and_claims_alone(tmp_path: Path) -> None:
    token = SIGNER.token(NOW)
    (tmp_path / "token").write_text(token)
    shown = json.loads(run("inspect", str(tmp_path / "token"), "-o", "json").stdout)
    assert shown.keys() == {"header", "claims"}
    assert shown["claims"]["sub"] == "system:serviceaccount:shop:app"


def test_inspect_shows_nonsense_as_it_is_but_harmless() -> None:
    claims = {
        "aud": "vault",
        "exp": "soon",
        "iat": 10**30,
        "nbf": True,
        "kubernetes.io": {"pod": "p", "warnafter": 1},
        "\x1b": "\x1b[2J",
    }
    result = run("inspect", "-", stdin=f"{encoded({'alg': None})}.{encoded(claims)}.")
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    rows = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert rows["audiences"] == '"vault"'
    assert rows["expires"] == '"soon"'
    assert rows["issued"] == str(10**30)
    assert rows["begins"] == "true"
    assert rows["pod"] == '"p"'
    assert rows["warnafter"].startswith("1970-01-01 00:00:01 UTC (")


@pytest.mark.parametrize("content", ["", "eyJhbGciOi.secret", "x" * 70000])
def test_inspect_of_no_token_is_an_error_that_does_not_repeat_it(content: str) -> None:
    result = run("inspect", "-", stdin=content)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "secret" not in result.output
    assert "xxx" not in result.output


def test_verify_accepts_and_shows_the_identity(jwks: list[str]) -> None:
    result = run("verify", "-", "--audience", "vault", *jwks, stdin=SIGNER.token(NOW))
    assert result.exit_code == 0, result.output
    rows = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert rows["namespace"] == '"shop"'
    assert rows["serviceaccount"] == '"app" uid "S"'
    assert "warnafter" not in rows


def test_verify_as_json(jwks: list[str]) -> None:
    warned = SIGNER.token(NOW)
    result = run("verify", "-", "--audience", "vault", *jwks, "-o", "json", stdin=warned)
    shown = json.loads(result.stdout)
    assert shown["username"] == "system:serviceaccount:shop:app"
    assert shown["pod"] == {"name": "app-0", "uid": "P"}
    assert shown["secret"] is None


@pytest.mark.parametrize(
    ("token", "audience", "words"),
    [
        pytest.param(SIGNER.token(NOW), "other", "another audience", id="another audience"),
        pytest.param(SIGNER.token(NOW - timedelta(days=1)), "vault", "has expired", id="expired"),
        pytest.param(FakeIssuer().token(NOW), "vault", "no key of the id", id="another key"),
        pytest.param("nonsense", "vault", "three parts", id="no token"),
    ],
)
def test_verify_refuses_with_exit_code_1(
    token: str, audience: str, words: str, jwks: list[str]
) -> None:
    result = run("verify", "-", "--audience", audience, *jwks, stdin=token)
    assert result.exit_code == 1
    assert result.output.startswith("Error: refused: ")
    assert words in result.output
    assert token not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no audience"),
        pytest.param(["--audience", ""], id="an empty audience"),
        pytest.param(["--audience", "a"], id="no keys"),
        pytest.param(["--audience", "a", "--issuer", "no-url"], id="an issuer that is no URL"),
        pytest.param(["--audience", "a", "--issuer", ""], id="an empty issuer"),
        pytest.param(["--audience", "a", "--jwks", "JWKS"], id="keys without an issuer"),
        pytest.param(
            ["--audience", "a", "--jwks", "JWKS", "--issuer", "i", "--kubeconfig", "JWKS"],
            id="two places for keys",
        ),
        pytest.param(
            ["--audience", "a", "--jwks", "JWKS", "--issuer", "i", "--review"],
            id="a review without a cluster",
        ),
    ],
)
def test_wrong_usage_has_exit_code_2(arguments: list[str], jwks: list[str]) -> None:
    arguments = [jwks[-1] if one == "JWKS" else one for one in arguments]
    result = run("verify", "-", *arguments, stdin=SIGNER.token(NOW))
    assert result.exit_code == 2, result.output


def test_a_missing_file_has_exit_code_2(tmp_path: Path) -> None:
    assert run("inspect", str(tmp_path / "token")).exit_code == 2


def test_a_cluster_that_does_not_answer_has_exit_code_1(kubeconfig: Path) -> None:
    result = run("verify", "-", "--audience", "vault", "--kubeconfig", str(kubeconfig),
                 stdin=SIGNER.token(NOW))  # fmt: skip
    assert result.exit_code == 1
    assert "Error: no keys to check tokens with" in result.output


def test_a_kubeconfig_that_is_none_has_exit_code_1(jwks: list[str]) -> None:
    result = run("explain", "-", "--kubeconfig", jwks[-1], stdin=SIGNER.token(NOW))
    assert result.exit_code == 1
    assert "has no current-context" in result.output


def test_keys_that_are_none_have_exit_code_1(kubeconfig: Path) -> None:
    result = run("verify", "-", "--audience", "a", "--issuer", "i", "--jwks", str(kubeconfig),
                 stdin=SIGNER.token(NOW))  # fmt: skip
    assert result.exit_code == 1
    assert "Error: the key document has no list" in result.output


def test_explain_says_what_is_wrong_and_what_to_do(jwks: list[str]) -> None:
    token = SIGNER.token(NOW - timedelta(days=1), aud=["api"])
    result = run("explain", "-", "--audience", "vault", *jwks, stdin=token)
    assert result.exit_code == 1
    assert 'refused (audience): It was made for "api", not for "vault".\n  Ask' in result.stdout
    assert "refused (expired): It expired 23 h" in result.stdout
    assert "not looked at: whether account and pod still exist" in result.stderr
    assert token.rpartition(".")[2] not in result.output


def test_the_guide_shows_what_is_printed() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "workload.md").read_text()
    result = run("explain", "-", "--audience", "vault", stdin=SIGNER.token(NOW, aud=["api"]))
    assert f"--kubeconfig KUBECONFIG\n{result.stdout}```" in guide


def test_explain_of_a_good_token_has_exit_code_0() -> None:
    result = run("explain", "-", stdin=SIGNER.token(NOW))
    assert result.exit_code == 0
    assert result.stdout == "accepted: nothing is wrong, as far as it was looked at\n"
    assert len(result.stderr.splitlines()) == 3


def test_explain_goes_on_without_a_cluster_that_does_not_answer(kubeconfig: Path) -> None:
    result = run("explain", "-", "--kubeconfig", str(kubeconfig), stdin=SIGNER.token(NOW, exp=1))
    assert result.exit_code == 1
    assert "refused (expired)" in result.stdout
    assert "Error: 127.0.0.1:1: Connection refused" in result.stderr
