"""The verb export: a lab in the words of other programs."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from netlab.cli import console
from netlab.errors import InputError, UsageError

if TYPE_CHECKING:
    from netlab.report.compose import Mount
    from netlab.topology.model import Topology

_ROOT = "/lab"  # in a container: what the topology file names lies below it as it does on the machine


@click.group("export", short_help="Write a lab in the words of other programs.")
def export_command() -> None:
    """Write a lab in the words of other programs, for who wants to go on without netlab.

    \b
    Example:
      netlab export compose topologies/web.yaml
    """  # noqa: D301


@export_command.command("compose")
@console.topology_argument
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: print it."
)
@click.option("--image", metavar="IMAGE", help="Image of the nodes that name none; default: netlab's own.")
@console.seed_option
def compose_command(topology: Path, out: Path | None, image: str | None, seed: int | None) -> None:
    """Write the lab of TOPOLOGY as a Compose file; its first lines tell what does not come along.

    The paths in it are relative to where it is written: it goes with the topology's files.

    \b
    Example:
      netlab export compose topologies/web.yaml -o web.compose.yaml
    """  # noqa: D301
    from netlab.backends.docker.image import tag
    from netlab.plan import make_plan
    from netlab.report import compose
    from netlab.topology import load
    from netlab.topology.images import is_reference

    if image is not None and not is_reference(image):
        raise UsageError(f"{image!r} cannot name an image", "write NAME, NAME:TAG or NAME@DIGEST")
    loaded = load(topology)
    console.require_directory()
    if out is not None and out.resolve() == topology.resolve():
        raise UsageError(f"{out} is the topology itself", "give the Compose file another name")
    if out is not None and out.exists() and not _is_ours(out):
        hint = "give another name, or remove it"
        raise UsageError(f"{out} is there already, and no export of netlab's", hint)
    place, *contents = _mounts(loaded, topology, out.parent if out is not None else Path())
    _require_same_places(loaded, topology, place, contents)
    name = out.name if out is not None else f"{loaded.name}.compose.yaml"
    # Compose is an engine's: images are welcome, whatever backend the file asks for.
    plan = make_plan(loaded, seed=seed, backend="docker")
    text = compose.text(plan, compose.Placement(name, image or tag(), place, tuple(contents)))
    if out is None:
        console.say(text.rstrip("\n"))
        return
    with console.writing(out):
        out.write_text(text, encoding="utf-8")
    console.note(f"written: {out}")


def _is_ours(path: Path) -> bool:
    """Whether a file is an earlier export, or cannot be told: to write it says then why it cannot be."""
    from netlab.report.compose import AUTHOR

    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return AUTHOR in file.readline()
    except OSError:
        return True


def _mounts(loaded: Topology, topology: Path, start: Path) -> list[Mount]:
    """Return what the containers see, the topology file first; sources are relative to `start`."""
    from netlab.report.compose import Mount

    home = topology.parent.resolve()
    # "../www" must lead somewhere in the container too: as many directories are above the file there.
    ways = {content: os.path.relpath(content, home) for content in _contents(loaded)}
    above = max((Path(way).parts.count("..") for way in ways.values()), default=0)
    inside = PurePosixPath(_ROOT, *home.parts[len(home.parts) - above :])
    sources = {home / topology.name: topology.name} | ways
    mounts = []
    for path, way in sources.items():
        source = os.path.relpath(path, start.resolve())
        if not source.startswith("../"):
            source = f"./{source}"  # without it, Compose takes the word for a volume's name
        mounts.append(Mount(source, os.path.normpath(inside / way)))
    for mount in mounts:
        try:
            mount.source.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"the path {mount.source!r} is no text (UTF-8), which a Compose file is", "rename it"
            ) from None
    return mounts


def _contents(loaded: Topology) -> list[Path]:
    """Return the directories of all http services, and the zone files, each once."""
    from netlab.topology.model import DnsService, HttpService

    services = [service for node in loaded.nodes for service in node.services]
    found = [service.content for service in services if isinstance(service, HttpService)]
    zones = [zone for service in services if isinstance(service, DnsService) for zone in service.zones]
    return list(dict.fromkeys([*found, *(zone.source for zone in zones if zone.source)]))


def _require_same_places(loaded: Topology, topology: Path, place: Mount, contents: list[Mount]) -> None:
    """Raise UsageError unless the file, read in a container, names the same directories and zone files there.

    An absolute path does not, nor does one that leads through a symbolic link: so it is tried.
    """
    import tempfile

    from netlab.topology import parse

    if not contents:
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        expected = {root / mount.target.lstrip("/") for mount in contents}
        for path, mount in zip(_contents(loaded), contents, strict=True):
            copy = root / mount.target.lstrip("/")
            (copy if path.is_dir() else copy.parent).mkdir(parents=True, exist_ok=True)
            if path.is_file():
                copy.write_bytes(path.read_bytes())
        inside = (root / place.target.lstrip("/")).parent
        inside.mkdir(parents=True, exist_ok=True)
        try:
            text = topology.read_text(encoding="utf-8")
            found = set(_contents(parse(text, file=str(topology), directory=inside)))
        except InputError:
            found = set()
    if found != expected:
        raise UsageError(
            f"{topology} cannot be exported: what it names is not found by a plain relative path",
            "write content: and zone files relative to the file, and not through a symbolic link",
        )
