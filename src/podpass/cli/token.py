"""`podpass token`: look into a token, verify it, and say in words why it is refused.

The token comes from a file or stdin, never from the command line, which others can see. No command
prints a token or its signature. Works with any cluster.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import fill
from typing import Any

import click

from podpass.api.errors import StatusError
from podpass.api.resources import find_resource
from podpass.base.clock import SystemClock
from podpass.cli.token_text import claim_rows, identity_object, identity_rows
from podpass.client.config import ClientConfig, ConfigError, load_kubeconfig
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.workload.api_server import ApiServer
from podpass.workload.check import LEEWAY
from podpass.workload.claims import read_identity
from podpass.workload.compact_token import MAXIMUM_TOKEN, take_apart
from podpass.workload.explanation import Known, explain, unchecked
from podpass.workload.key_source import ClusterKeys, FixedKeys, IssuerKeys, KeySource
from podpass.workload.refusal import IssuerUnavailable, TokenRefused, WorkloadError
from podpass.workload.review_verifier import TokenReviewVerifier
from podpass.workload.transport import Answer
from podpass.workload.verifier import Verifier

_WIDTH = 96
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_TOKEN = click.argument("token_file", metavar="FILE", type=click.File("rb"))
_LEEWAY = click.option(
    "--leeway",
    type=click.FloatRange(0, 3600),
    default=LEEWAY.total_seconds(),
    show_default=True,
    help="Seconds that clocks may be apart.",
)
_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where keys are, as the options say."""

    issuer: tuple[str, ...]
    jwks: Path | None
    ca_file: Path | None
    kubeconfig: Path | None


def _source_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--kubeconfig", type=_FILE, help="Ask this cluster for issuer and keys."),
        click.option(
            "--ca-file", type=_FILE, help="CA of the issuer's URL; default: the system's."
        ),
        click.option("--jwks", type=_FILE, help="Take the keys from this file; with --issuer."),
        click.option(
            "--issuer",
            multiple=True,
            help="Trusted issuer; its URL is asked for the keys. Several: the first is asked.",
        ),
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Look into a bound token of any cluster. FILE may be - for stdin.

    Exit code 0 if the token is good, 1 if it is refused or cannot be checked, 2 for wrong usage.
    """


@command.command()
@_TOKEN
@_OUTPUT
def inspect(token_file: Any, output: str) -> None:
    """Show what a token says of itself. Nothing of it is checked."""
    try:
        token = take_apart(_read(token_file))
    except TokenRefused as refused:
        raise click.ClickException(f"{refused}; `podpass token explain` says more") from None
    if output == "json":
        click.echo(json.dumps({"header": token.header, "claims": token.claims}, indent=2))
        return
    for row in claim_rows(token, _now()):
        click.echo(row)
    click.echo("Nothing of this is verified: anybody can write such a token.", err=True)


@command.command()
@_TOKEN
@click.option("--audience", multiple=True, required=True, help="Your name; several: one of them.")
@click.option("--review", is_flag=True, help="Let the API server decide (TokenReview).")
@_LEEWAY
@_source_options
@_OUTPUT
def verify(
    token_file: Any,
    audience: tuple[str, ...],
    review: bool,
    leeway: float,
    output: str,
    **options: Any,
) -> None:
    """Accept a token, or refuse it, as a recipient does."""
    source = Source(**options)
    if "" in audience:
        raise click.UsageError("--audience must not be empty")
    if review and source.kubeconfig is None:
        raise click.UsageError("--review needs --kubeconfig")
    keys = _key_source(source)
    if keys is None:
        raise click.UsageError("give --kubeconfig, --issuer, or --issuer with --jwks")
    token = _read(token_file)
    try:
        identity = Verifier(keys, audience=audience, leeway=timedelta(seconds=leeway)).verify(token)
        if review and source.kubeconfig is not None:
            TokenReviewVerifier(_api_server(source.kubeconfig), audience=audience).verify(token)
    except TokenRefused as refused:
        raise click.ClickException(
            f"refused: {refused}; `podpass token explain` says more"
        ) from None
    except WorkloadError as error:
        raise click.ClickException(str(error)) from error
    if output == "json":
        click.echo(json.dumps(identity_object(identity), indent=2))
        return
    for row in identity_rows(identity, _now()):
        click.echo(row)


@command.command("explain")
@_TOKEN
@click.option("--audience", multiple=True, help="For whom the token should be.")
@_LEEWAY
@_source_options
def explain_command(
    token_file: Any, audience: tuple[str, ...], leeway: float, **options: Any
) -> None:
    """Say why a token is refused, and what to do about it.

    With --kubeconfig the cluster is asked for its issuer and keys, and whether account and pod
    still exist.
    """
    source = Source(**options)
    keys = _key_source(source)
    token = _read(token_file)
    known, problems = _known(source, keys, token, frozenset(filter(None, audience)))
    findings = explain(token, known, _now(), timedelta(seconds=leeway))
    for finding in findings:
        click.echo(f"refused ({finding.reason}): {finding.what}")
        click.echo(fill(finding.remedy, _WIDTH, initial_indent="  ", subsequent_indent="  "))
    if not findings:
        click.echo("accepted: nothing is wrong, as far as it was looked at")
    for missing in unchecked(known):
        click.echo(f"not looked at: {missing}", err=True)
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    sys.exit(1 if findings or problems else 0)


def _now() -> datetime:
    return SystemClock().now()


def _read(file: Any) -> str:
    try:
        content: bytes = file.read(4 * MAXIMUM_TOKEN)
    except OSError as error:
        raise click.ClickException(f"cannot read {file.name}: {error.strerror}") from error
    return content.decode("latin-1").strip()


def _key_source(source: Source) -> KeySource | None:
    """Return where the keys come from, None if no option says it."""
    if source.jwks is not None and not source.issuer:
        raise click.UsageError("--jwks needs --issuer")
    if source.kubeconfig is not None and source.jwks is not None:
        raise click.UsageError("give either --kubeconfig or --jwks")
    try:
        if source.jwks is not None:
            return FixedKeys(source.jwks.read_bytes(), issuer=source.issuer)
        if source.kubeconfig is not None:
            return ClusterKeys(_api_server(source.kubeconfig), issuer=source.issuer or None)
        return IssuerKeys(source.issuer, ca_file=source.ca_file) if source.issuer else None
    except ValueError as error:
        raise click.UsageError(f"--issuer: {error}") from error
    except IssuerUnavailable as error:
        raise click.ClickException(str(error)) from error


def _known(
    source: Source, keys: KeySource | None, token: str, audiences: frozenset[str]
) -> tuple[Known, list[str]]:
    """Return what the token can be held against, and what could not be asked."""
    problems: list[str] = []
    trust = review = None
    if keys is not None:
        try:
            trust = keys.load().trust
        except WorkloadError as error:
            problems.append(str(error))
    if source.kubeconfig is not None and not problems:
        try:
            review = _review(source.kubeconfig, token)
        except WorkloadError as error:
            problems.append(str(error))
    return (
        Known(
            audiences=audiences or None,
            issuers=None if keys is None else keys.issuers,
            trust=trust,
            review=review,
        ),
        problems,
    )


def _review(kubeconfig: Path, token: str) -> TokenRefused | bool | None:
    """Return what the API server says, asked for the token's own audiences; None if it has none."""
    try:
        own = read_identity(take_apart(token).claims).audiences
        if not own:
            return None
        TokenReviewVerifier(_api_server(kubeconfig), audience=own).verify(token)
    except TokenRefused as refused:
        return refused
    return True


def _api_server(kubeconfig: Path) -> ApiServer:
    try:
        config = load_kubeconfig(kubeconfig)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    return ApiServer(config.server, transport=_KubeconfigTransport(config))


class _KubeconfigTransport:
    """Asks with the credentials of a kubeconfig."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        del method, headers  # the client sets its own
        try:
            return asyncio.run(self._ask(url.removeprefix(self._config.server), body))
        except StatusError as error:
            return Answer(error.code, {}, b"{}")
        except (ConfigError, ConnectionFailed) as error:
            raise IssuerUnavailable(str(error)) from error

    async def _ask(self, path: str, body: bytes | None) -> Answer:
        async with RestClient(self._config) as client:
            if body is None:
                return Answer(200, {}, await client.read_path(path))
            review = find_resource("authentication.k8s.io", "v1", "tokenreviews")
            assert review is not None  # noqa: S101 - a built-in kind
            return Answer(
                201, {}, json.dumps(await client.create(review, json.loads(body))).encode()
            )
