"""The verb that changes a lab while it runs: apply."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from netlab.cli import completing, console
from netlab.errors import UsageError

if TYPE_CHECKING:
    from netlab.plan.changes import Change


@click.command("apply", short_help="Change a running lab to what a topology says now.")
@console.topology_argument
@click.option(
    "--name",
    metavar="NAME",
    shell_complete=completing.labs,
    help="Which lab, whatever the file calls it; default: the topology's name.",
)
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@console.choices
@console.json_option
def apply_command(
    topology: Path, name: str | None, dry_run: bool, as_json: bool, **choices: Unpack[console.Choices]
) -> None:
    """Bring the lab that `netlab up` started to what TOPOLOGY says now, touching only what differs.

    All of it is done, or nothing, also when this command is broken off. --seed and --backend are to be what
    they were for `up`.

    \b
    Examples:
      netlab apply topologies/web.yaml --dry-run
      netlab apply topologies/web.yaml
    """  # noqa: D301
    from netlab import lab
    from netlab.cli.running import load_plan

    console.require_directory()
    plan = load_plan(topology, **choices)
    called = plan.name if name is None else name
    running = lab.attach(_known(called, lab.running(), given=name is not None))
    if name is not None:
        plan = replace(plan, name=running.info["name"])
    # What the lab has begun it brings to its end, whoever waits for it.
    going = console.patiently("the lab is being changed, or put back", "leaves it to that")
    with going, console.progress("changing the lab …"):
        changes = running.apply(plan, dry=dry_run)
    if as_json:
        told = [asdict(change) | {"text": str(change)} for change in changes]
        console.say_json({"lab": called, "applied": bool(changes) and not dry_run, "changes": told})
    else:
        _say(called, changes, dry=dry_run)


def _known(name: str, running: list[str], *, given: bool) -> str:
    """Return a running lab's name; UsageError, which knows where the name comes from, where it is none's."""
    if name in running:
        return name
    hint = "`netlab ps` lists those that do"
    if running and not given:
        hint = f"the file calls its lab so; --name chooses another: {', '.join(running)}"
    raise UsageError(f"no lab named {name!r} is running", hint)


def _say(name: str, changes: list[Change], *, dry: bool) -> None:
    if not changes:
        console.say(f"lab {name} is as the file says: nothing to change")
        return
    for change in changes:
        console.say(str(change))
    counted = console.count(len(changes), "change")
    console.note(f"{counted}, none made: this was a dry run" if dry else f"lab {name}: {counted} made")
