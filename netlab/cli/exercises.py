"""The verb `lab`: the shipped labs — list them, show one, run one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from netlab.cli import completing, console
from netlab.errors import LabError
from netlab.topology.vocabulary import DEFAULT_BACKEND

if TYPE_CHECKING:
    from netlab.lab.catalogue import Exercise
    from netlab.lab.record import Record

name_argument = click.argument("name", shell_complete=completing.exercises)


@click.group("lab", short_help="List, show and run the shipped labs.")
def lab_command() -> None:
    """List, show and run the shipped labs.

    \b
    Example:
      netlab lab run handshake --seed random
    """  # noqa: D301


@lab_command.command("list")
@console.json_option
def list_command(as_json: bool) -> None:
    """List the labs in teaching order.

    \b
    Example:
      netlab lab list
    """  # noqa: D301
    from netlab.lab.catalogue import exercises

    if as_json:
        console.say_json([_data(exercise) for exercise in exercises()])
        return
    rows = [("lab", "what it teaches", "rows")]
    rows += [(exercise.name, exercise.title, " ".join(exercise.rows)) for exercise in exercises()]
    console.say_table(rows)


@lab_command.command("show")
@name_argument
@console.json_option
def show_command(name: str, as_json: bool) -> None:
    """Show a lab's worksheet, and where its files are.

    \b
    Example:
      netlab lab show dns
    """  # noqa: D301
    from netlab.lab.catalogue import find

    exercise = find(name)
    if as_json:
        console.say_json(_data(exercise))
        return
    console.say(exercise.readme.read_text())
    console.say(f"script    {exercise.script}\ntopology  {exercise.topology}")


def _data(exercise: Exercise) -> dict[str, object]:
    return {
        "name": exercise.name,
        "title": exercise.title,
        "rows": list(exercise.rows),
        "topology": str(exercise.topology),
        "node": exercise.node,
        "script": str(exercise.script),
        "time_limit": exercise.time_limit,
    }


@lab_command.command("run", short_help="Run a lab, and judge its record.")
@name_argument
@console.choices
@console.out_option
@console.limit_option
def run_command(
    name: str, out: Path | None, time_limit: float | None, **choices: Unpack[console.Choices]
) -> int:
    """Run a lab: start its topology, run its script, stop everything, judge the record.

    \b
    Example:
      netlab lab run dns --seed 7 --out runs/seven
    """  # noqa: D301
    from netlab.cli import terminal
    from netlab.cli.running import load_plan, recorded
    from netlab.lab.catalogue import find
    from netlab.lab.record import claim

    console.require_directory()
    exercise = find(name)
    plan = load_plan(_from_here(exercise.topology), **choices)
    record = claim(out, name)
    console.heading(f"lab {name}: {exercise.title}")
    backend = "" if plan.backend == DEFAULT_BACKEND else f", backend {plan.backend}"
    console.say(f"topology {exercise.topology.name}, node {exercise.node}, seed {plan.seed}{backend}\n")
    command = (str(exercise.script), *exercise.arguments)
    with recorded(plan, record, warm=True, visible=(exercise.script.parent,)) as lab:
        seconds = time_limit or exercise.seconds(plan.time_limit)
        status = terminal.run_plainly(lab, exercise.node, command, seconds=seconds)
    packets = record.packets()
    if not packets and status == 0:
        raise LabError(f"lab {name} sent no packet", f"see {record.shown}/")
    if status == 0 and exercise.proof is not None:
        status = _prove(exercise.proof, record)
    counted = console.count(packets, "packet")
    console.say(f"\nrecorded in {record.shown}/: capture.pcapng ({counted}), trace.txt, kernel.json, logs/")
    return status


def _from_here(path: Path) -> Path:
    """Return a path as the user would write it, for messages."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _prove(proof: Path, record: Record) -> int:
    from netlab.kernel.process import run_python

    console.say()
    console.heading("what the record shows")
    return run_python(proof, [str(record.path)])
