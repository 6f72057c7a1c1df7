"""What the verbs share: their options, and how they print."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

import click

from netlab.cli import completing
from netlab.errors import MachineError, UsageError
from netlab.topology.vocabulary import BACKENDS, DEFAULT_BACKEND

_LARGEST_SEED = 2**64 - 1
_UNNOTICED_SECONDS = 0.5  # what takes longer says so


class Seed(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A seed: a number, or `random`, which is replaced by a number at once."""

    name = "seed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 — click's signature
        """Read a seed, and say which one chance gave."""
        if value == "random":
            chosen = secrets.randbelow(2**32)
            if ctx is None or not ctx.resilient_parsing:  # a shell that completes words wants no notes
                note(f"seed {chosen}")
            return chosen
        try:
            seed = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'random'", param, ctx)
        if not 0 <= seed <= _LARGEST_SEED:
            self.fail(f"a seed lies between 0 and {_LARGEST_SEED}", param, ctx)
        return seed


class EngineOf(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A kind of service and its engine, as dns=bind9; whether there are such, the plan says."""

    name = "engine"

    def convert(
        self,
        value: Any,  # noqa: ANN401 — click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """Take it apart."""
        kind, equals, engine = str(value).partition("=")
        if not equals:
            self.fail(f"{value!r} is no KIND=ENGINE, as http=nginx", param, ctx)
        return kind, engine


class Choices(TypedDict):
    """What the command line may decide in place of the topology file; None: the file decides."""

    seed: int | None
    backend: str | None
    engines: dict[str, str]


def choices(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that make up `Choices`."""
    return seed_option(backend_option(engine_option(verb)))


topology_argument = click.argument("topology", type=click.Path(path_type=Path))
node_argument = click.argument("node", shell_complete=completing.nodes)
command_argument = click.argument(
    "command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND..."
)
seed_option = click.option(
    "--seed",
    type=Seed(),
    metavar="N|random",
    help="Decides every number that is ours; default: the topology's.",
)
backend_option = click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help=f"What nodes are: namespaces or containers; default: the topology's, else {DEFAULT_BACKEND}.",
)
engine_option = click.option(
    "--engine",
    "engines",
    type=EngineOf(),
    callback=lambda _, __, given: dict(given),
    multiple=True,
    metavar="KIND=ENGINE",
    shell_complete=completing.engines,
    help="What serves, as http=nginx; default: the topology's. May be given once for dns and once for http.",
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Directory of the record."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
lab_option = click.option(
    "--lab",
    "lab_name",
    metavar="NAME",
    shell_complete=completing.labs,
    help="Which lab; default: the only one.",
)
limit_option = click.option(
    "--time-limit", type=click.FloatRange(min=0.1), metavar="SECONDS", help="End the command after this time."
)


@contextlib.contextmanager
def writing(what: object = "the output") -> Iterator[None]:
    """Turn a full disk into a sentence; that a reader has left, BrokenPipeError, is an end of its own."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MachineError(
            f"cannot write {what}: {error.strerror}", "is there room, and is it yours?"
        ) from error


def say(text: str = "") -> None:
    """Print a result."""
    with writing():
        click.echo(text)


def note(text: str) -> None:
    """Print what is no result but good to know, on standard error."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def heading(text: str) -> None:
    """Print a line that stands out, where it can."""
    say(click.style(text, bold=True))


def say_json(value: object) -> None:
    """Print a result for programs."""
    say(json.dumps(value, indent=2))


def say_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows whose first is the heading, in aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        (say if number else heading)(line)


def count(number: int, noun: str) -> str:
    """Return a number of things in words, as "1 packet", "2 packets", "2 switches"."""
    ending = "es" if noun.endswith("ch") else "s"
    return f"{number} {noun}" + ending * (number != 1)


@contextlib.contextmanager
def progress(text: str) -> Iterator[None]:
    """Show `text` while the block lasts, if that is long, and if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    ours, shown = os.getpid(), False

    def show(*_: object) -> None:
        nonlocal shown
        if os.getpid() == ours:  # a lab's processes are forks of this one
            shown = True
            note_in_place(text)

    # An alarm rather than a thread: a process with threads should not fork, and labs are forks.
    before = signal.signal(signal.SIGALRM, show)
    signal.setitimer(signal.ITIMER_REAL, _UNNOTICED_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if shown:
            note_in_place("\r\033[K")


def note_in_place(text: str) -> None:
    """Write to standard error without a new line; it is no loss where that cannot be."""
    with contextlib.suppress(OSError):
        os.write(2, text.encode())


@contextlib.contextmanager
def patiently(what: str, second: str = "breaks it off") -> Iterator[None]:
    """Let a first Ctrl-C only note that `what` goes on; a second one interrupts, and does what is said."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        yield
        return

    def first(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        note(f"{what}; Ctrl-C once more {second}")

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def require_directory() -> None:
    """Raise UsageError where the working directory has been removed: commands start in it."""
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError("the directory that you are in is gone", "go to another one: cd DIR") from error


def require_node(node: str, known: Sequence[str], where: object) -> None:
    """Raise UsageError unless there is such a node, before anything starts."""
    from netlab.lab import did_you_mean

    if node not in known:
        raise UsageError(f"{where} has no node {node!r}", did_you_mean(node, known))
