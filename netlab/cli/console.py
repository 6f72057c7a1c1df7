"""What the verbs share: their options, and how they print."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from netlab.errors import UsageError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_LARGEST_SEED = 2**64 - 1


class Seed(click.ParamType[int]):
    """A seed: a number, or `random`, which is replaced by a number at once."""

    name = "N|random"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 — click's signature
        """Read a seed, and say which one chance gave."""
        if value == "random":
            chosen = secrets.randbelow(2**32)
            note(f"seed {chosen}")
            return chosen
        try:
            seed = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'random'", param, ctx)
        if not 0 <= seed <= _LARGEST_SEED:
            self.fail(f"a seed lies between 0 and {_LARGEST_SEED}", param, ctx)
        return seed


def complete_labs(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a running lab."""
    from netlab.lab import running

    return [name for name in running() if name.startswith(incomplete)]


def complete_exercises(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a shipped lab."""
    from netlab.lab.catalogue import exercises

    return [exercise.name for exercise in exercises() if exercise.name.startswith(incomplete)]


topology_argument = click.argument("topology", type=click.Path(path_type=Path))
node_argument = click.argument("node")
command_argument = click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
seed_option = click.option(
    "--seed", type=Seed(), help="Decides every number that is ours; default: the topology's."
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Directory of the record."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
lab_option = click.option(
    "--lab",
    "lab_name",
    metavar="NAME",
    shell_complete=complete_labs,
    help="Which lab; default: the only one.",
)
limit_option = click.option(
    "--time-limit", type=click.FloatRange(min=0.1), metavar="SECONDS", help="End the command after this time."
)


def say(text: str = "") -> None:
    """Print a result."""
    click.echo(text)


def note(text: str) -> None:
    """Print what is no result but good to know, on standard error."""
    click.echo(text, err=True)


def heading(text: str) -> None:
    """Print a line that stands out, where it can, at once."""
    click.secho(text, bold=True)
    sys.stdout.flush()


def say_json(value: object) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(value, indent=2))


def say_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows whose first is the heading, in aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.secho(line, bold=number == 0)


def require_node(node: str, known: Sequence[str], where: object) -> None:
    """Raise UsageError unless there is such a node, before anything starts."""
    from netlab.lab import did_you_mean

    if node not in known:
        raise UsageError(f"{where} has no node {node!r}", did_you_mean(node, known))
