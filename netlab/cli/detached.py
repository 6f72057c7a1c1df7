"""Verbs for labs that outlive the command: up, down, ps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from netlab.cli import completing, console
from netlab.errors import LabError, NetlabError, UsageError

if TYPE_CHECKING:
    from netlab.lab import Lab


@click.command("up", short_help="Start a lab that goes on until `netlab down`.")
@console.topology_argument
@click.option("--name", metavar="NAME", help="What to call the lab; default: the topology's name.")
@console.choices
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Record into this directory.")
@console.json_option
def up_command(
    topology: Path,
    name: str | None,
    out: Path | None,
    as_json: bool,
    **choices: Unpack[console.Choices],
) -> None:
    """Start the lab of TOPOLOGY and leave it running; several may run, each under its own name.

    \b
    Examples:
      netlab up topologies/web.yaml
      netlab up topologies/web.yaml --name second --out runs/second
    """  # noqa: D301
    from netlab import lab
    from netlab.cli.running import load_plan
    from netlab.lab.record import claim

    console.require_directory()
    plan = load_plan(topology, **choices)
    called = plan.name if name is None else name
    _check_name(called, lab.running())
    # Only now: to claim a record's directory is to empty it.
    record = claim(out, called, [one.file for one in plan.captures]) if out is not None else None
    with console.progress(f"starting {console.count(len(plan.nodes), 'node')} …"):
        lab.start_detached(plan, called, record=record)
    info = lab.attach(called).info
    if as_json:
        console.say_json({"lab": called, **info})
        return
    console.heading(f"lab {called} is up")
    _say_nodes(info)
    if record is None:
        console.say("not recorded: --out DIR would record it; `netlab capture NODE` shows its packets")
    chosen = "" if lab.running() == [called] else f" --lab {called}"
    first = plan.nodes[0].name
    console.say(f"next: netlab shell {first}{chosen} · netlab down {called}")


def _check_name(name: str, taken: list[str]) -> None:
    from netlab.topology.values import is_label

    if not is_label(name):
        what = f"{name!r} cannot name a lab: no hostname label (RFC 1123)"
        raise UsageError(what, "1 to 63 letters, digits and hyphens, none of these at either end")
    if name in taken:
        hint = f"end it with `netlab down {name}`, or give this one a --name"
        raise UsageError(f"a lab named {name!r} is running already", hint)


def _say_nodes(info: dict[str, Any]) -> None:
    rows = [("node", "addresses", "services")]
    for node, told in info["nodes"].items():
        services = [_service(name, **told["engines"][name]) for name in told["services"]]
        rows.append((node, ", ".join(told["addresses"]), ", ".join(services) or "-"))
    console.say_table(rows)


def _service(name: str, engine: str, version: str | None) -> str:
    return name if version is None else f"{name} ({engine} {version})"


@click.command("down", short_help="End labs that `netlab up` started.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=completing.labs)
@click.option("--all", "everything", is_flag=True, help="End all of them.")
def down_command(names: tuple[str, ...], everything: bool) -> int:
    """End the labs of these names; without a name, the only one that runs.

    \b
    Example:
      netlab down web
    """  # noqa: D301
    from netlab import lab

    if names and everything:
        raise UsageError("names and --all do not go together", "give one of them")
    if everything:
        ending = _running_labs()
        if not ending:
            console.note("no lab is running")
    else:
        # Each is found before the first is ended: a slip of the pen ends nothing.
        ending = {name: lab.attach(name) for name in names or _the_only_one()}
    status = 0
    for name, each in ending.items():
        try:
            _end(name, each)
        except NetlabError as error:  # the others are ended all the same
            console.note(f"netlab: {error}")
            status = error.exit_status
    return status


def _the_only_one() -> list[str]:
    from netlab import lab

    running = lab.running()
    if not running:
        raise UsageError("no lab is running", "start one with `netlab up TOPOLOGY`")
    if len(running) > 1:
        raise UsageError(
            f"several labs are running: {', '.join(running)}", "name those to end, or give --all"
        )
    return running


def _end(name: str, ended: Lab) -> None:
    """End a lab, whatever becomes of its record; one that has gone meanwhile is down, too."""
    from netlab import lab

    try:
        if ended.info["out"]:
            _complete_record(ended)
    finally:
        try:
            with console.progress(f"ending lab {name} …"):
                ended.stop()
        except (LabError, UsageError):
            if name in lab.running():
                raise
        console.say(f"lab {name} is down")


def _complete_record(ended: Lab) -> None:
    from netlab.lab.record import write_trace

    out = Path(ended.info["out"])
    try:
        ended.finish()
    except LabError as error:
        console.note(f"netlab: {error}")
    write_trace(out)
    console.say(f"recorded in {out}/")


def _running_labs() -> dict[str, Lab]:
    """Find the labs that run; those that end while we look do not count."""
    from netlab import lab

    found = {}
    for name in lab.running():
        try:
            found[name] = lab.attach(name)
        except (LabError, UsageError) as error:
            if name in lab.running():
                console.note(f"netlab: lab {name}: {error}")
    return found


@click.command("ps", short_help="List the labs that run.")
@console.json_option
def ps_command(as_json: bool) -> None:
    """List the labs that `netlab up` started and that still run.

    \b
    Example:
      netlab ps --json
    """  # noqa: D301
    infos = [{"lab": name, **each.info} for name, each in _running_labs().items()]
    if as_json:
        console.say_json(infos)
        return
    if not infos:
        console.note("no lab is running: start one with `netlab up TOPOLOGY`")
        return
    rows = [("lab", "topology", "seed", "backend", "nodes", "ended services")]
    for info in infos:
        ended = ", ".join(daemon["who"] for daemon in info["ended"]) or "-"
        seed, nodes = str(info["seed"]), " ".join(info["nodes"])
        rows.append((info["lab"], info["name"], seed, info["backend"], nodes, ended))
    console.say_table(rows)
