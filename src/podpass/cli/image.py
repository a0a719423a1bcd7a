"""`podpass image`: the image catalog of a home."""

from __future__ import annotations

from pathlib import Path

import click

from podpass.bootstrap.home import Home
from podpass.cli.options import home_option
from podpass.kubelet.images import ImageCatalog
from podpass.kubelet.runtime.interface import RuntimeFailure

_COLUMN_GAP = 3
_SHORT_ID = 12
_UNITS = ("B", "kB", "MB", "GB")


@click.group()
def command() -> None:
    """List, add and remove the images that pods can run."""


@command.command("list")
@home_option
def list_images(home: Home) -> None:
    """Show all images; built-in ones answer to every tag."""
    rows = [("NAME", "TAG", "ID", "SIZE", "SOURCE")]
    for entry in ImageCatalog(home.images).entries():
        image = entry.image
        short_id = image.id.removeprefix("sha256:")[:_SHORT_ID]
        source = "built-in" if entry.built_in else "added"
        rows.append((entry.name, entry.tag, short_id, _size(image.size), source))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width + _COLUMN_GAP) for cell, width in zip(row, widths, strict=True))
        click.echo("".join(cells).rstrip())


@command.command("add")
@home_option
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
def add_image(home: Home, name: str, path: Path) -> None:
    """Add PATH under NAME; an image of that name is replaced.

    PATH is a root file system directory, an OCI layout directory or archive, a `docker save`
    archive, or a single program.
    """
    try:
        image = ImageCatalog(home.images).add(name, path)
    except RuntimeFailure as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{image.name} added ({_size(image.size)})")


@command.command("remove")
@home_option
@click.argument("names", nargs=-1, required=True)
def remove_images(home: Home, names: tuple[str, ...]) -> None:
    """Remove added images; stop the pods that run them first."""
    for name in names:
        try:
            ImageCatalog(home.images).remove(name)
        except RuntimeFailure as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"{name} removed")


def _size(size: int) -> str:
    """Return bytes as docker's tables show them, `-` for an image of the host's own files."""
    if not size:
        return "-"
    amount = float(size)
    for unit in _UNITS:
        if amount < 1000 or unit == _UNITS[-1]:  # noqa: PLR2004 - SI units
            return f"{amount:.3g}{unit}"
        amount /= 1000
    raise AssertionError("unreachable")
