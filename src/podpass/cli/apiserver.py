"""`podpass apiserver`: run one API server in the foreground.

Options are made from the fields of `ApiServerSettings`: flag, default and help stand there.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from podpass.apiserver.settings import ApiServerSettings
from podpass.cli.durations import DURATION

_CONFIG_FLAG = "--openshift-config"

_TYPES: dict[str, dict[str, Any]] = {
    "str": {"type": str},
    "int": {"type": click.IntRange(0, 65535)},
    "Path": {"type": click.Path(path_type=Path)},
    "Path | None": {"type": click.Path(path_type=Path)},
    "timedelta": {"type": DURATION},
    "timedelta | None": {"type": DURATION},
    # `--flag` and `--flag=false`, as Go programs have it.
    "bool": {"type": click.BOOL, "is_flag": False, "flag_value": "true"},
    "tuple[str, ...]": {"type": str, "multiple": True},
    "tuple[Path, ...]": {"type": click.Path(path_type=Path), "multiple": True},
}


def _options(function: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each setting."""
    for field in reversed(dataclasses.fields(ApiServerSettings)):
        function = click.option(
            field.metadata["flag"],
            field.name,
            default=field.default,
            help=f"Default: {field.metadata['reason']}.",
            **_TYPES[str(field.type)],
        )(function)
    return function


class _ConfigFileCommand(click.Command):
    """Reads the flags of `--openshift-config FILE` as if they stood in its place."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [flag for one in _joined(args) for flag in _expanded(one)])


def _joined(args: list[str]) -> Iterator[str]:
    """Yield the arguments, `--openshift-config FILE` as one."""
    rest = iter(args)
    for one in rest:
        yield f"{one}={next(rest, '')}" if one == _CONFIG_FLAG else one


def _expanded(argument: str) -> list[str]:
    name, _, file = argument.partition("=")
    if name != _CONFIG_FLAG:
        return [argument]
    from podpass.apiserver.openshift_config import (  # noqa: PLC0415 - rarely needed
        ConfigFileError,
        read_flags,
    )

    try:
        return read_flags(Path(file))
    except ConfigFileError as error:
        raise click.ClickException(str(error)) from error


@click.command(
    cls=_ConfigFileCommand,
    epilog="--openshift-config FILE reads flags from a KubeAPIServerConfig of OpenShift.",
)
@_options
def command(**values: Any) -> None:
    """Run an API server."""
    settings = ApiServerSettings(**values)
    if not settings.service_account_issuers:
        raise click.UsageError("--service-account-issuer must be given")

    from podpass.apiserver.issuer_settings import (  # noqa: PLC0415 - --help stays fast
        oddities,
        problems,
    )
    from podpass.apiserver.overload.choice import (  # noqa: PLC0415 - --help stays fast
        problems as overload_problems,
    )
    from podpass.apiserver.process import StartError, run  # noqa: PLC0415 - --help stays fast
    from podpass.base.logs import configure_logging  # noqa: PLC0415

    if wrong := [*problems(settings), *overload_problems(settings)]:
        raise click.UsageError("; ".join(wrong))
    configure_logging()
    for odd in oddities(settings):
        logging.getLogger("apiserver").warning("%s", odd)
    try:
        run(settings)
    except StartError as error:
        raise click.ClickException(str(error)) from error
