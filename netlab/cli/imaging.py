"""The verb that makes netlab's own container image: image."""

from __future__ import annotations

import shutil

import click

from netlab.cli import console


@click.group("image", short_help="Make the image that labs of containers start from.")
def image_command() -> None:
    """Make the image that labs of containers start from.

    \b
    Example:
      netlab image build --pull
    """  # noqa: D301


@image_command.command("build", short_help="Make netlab's own image.")
@click.option("--base", metavar="IMAGE", help="What it is made from; default: the slim Python of Debian.")
@click.option("--pull", is_flag=True, help="Let the engine fetch the base from its registry.")
@console.json_option
def build_command(base: str | None, pull: bool, as_json: bool) -> None:
    """Make netlab's own image, of this netlab's sources, on the engine that DOCKER_HOST names.

    What the base lacks is installed from the network; one that has all of it needs none.

    \b
    Examples:
      netlab image build --pull
      netlab image build --base registry.example/python:3.13
    """  # noqa: D301
    from netlab.backends.docker import image
    from netlab.backends.docker.engine import connect

    base = image.BASE if base is None else base
    engine = connect()
    try:
        made = image.build(engine, base, pull=pull, tell=_tell)
    finally:
        engine.close()
    if as_json:
        console.say_json({"image": image.tag(), "id": made, "base": base, "sources": image.digest()})
    else:
        console.say(f"{image.tag()} is made, from {base}")


def _tell(line: str) -> None:
    """Show the beginning of a line, as much as the terminal is wide."""
    width = shutil.get_terminal_size().columns - 1
    console.note(line if len(line) <= width else f"{line[: width - 1]}…")
