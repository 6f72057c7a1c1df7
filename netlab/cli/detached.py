"""Verbs for labs that outlive the command: up, down, ps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netlab.cli import console
from netlab.errors import LabError, UsageError


@click.command("up", short_help="Start a lab that goes on until `netlab down`.")
@console.topology_argument
@click.option("--name", help="What to call the lab; default: the topology's name.")
@console.seed_option
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Record into this directory.")
def up_command(topology: Path, name: str | None, seed: int | None, out: Path | None) -> None:
    """Start the lab of TOPOLOGY and leave it running; several may run, each under its own name.

    \b
    Examples:
      netlab up topologies/web.yaml
      netlab up topologies/web.yaml --name second --out runs/second
    """  # noqa: D301
    from netlab import lab
    from netlab.cli.running import load_plan
    from netlab.lab.record import claim

    plan = load_plan(topology, seed)
    called = name or plan.name
    record = claim(out, called) if out is not None else None
    lab.start_detached(plan, called, record=record)
    console.heading(f"lab {called} is up")
    _say_nodes(lab.attach(called).info)
    chosen = "" if lab.running() == [called] else f" --lab {called}"
    first = plan.nodes[0].name
    console.say(f"next: netlab shell {first}{chosen} · netlab down {called}")


def _say_nodes(info: dict[str, Any]) -> None:
    rows = [("node", "addresses", "services")]
    for node, told in info["nodes"].items():
        rows.append((node, ", ".join(told["addresses"]), ", ".join(told["services"]) or "-"))
    console.say_table(rows)


@click.command("down", short_help="End labs that `netlab up` started.")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=console.complete_labs)
@click.option("--all", "everything", is_flag=True, help="End all of them.")
def down_command(names: tuple[str, ...], everything: bool) -> None:
    """End the labs of these names; without a name, the only one that runs.

    \b
    Example:
      netlab down web
    """  # noqa: D301
    from netlab import lab

    if names and everything:
        raise UsageError("names and --all do not go together", "give one of them")
    if everything:
        names = tuple(lab.running())
    for name in names or (None,):
        ended = lab.attach(name)
        if ended.info["out"]:
            _complete_record(ended)
        ended.stop()
        console.say(f"lab {name or ended.info['name']} is down")


def _complete_record(ended: Any) -> None:  # noqa: ANN401 — a Lab, whose import is dear
    from netlab.report.trace import write_trace

    out = Path(ended.info["out"])
    try:
        ended.finish()
    except LabError as error:
        console.note(f"netlab: {error}")
    write_trace(out / "capture.pcapng", out / "trace.txt")
    console.say(f"recorded in {out}/")


@click.command("ps", short_help="List the labs that run.")
@console.json_option
def ps_command(as_json: bool) -> None:
    """List the labs that `netlab up` started and that still run.

    \b
    Example:
      netlab ps --json
    """  # noqa: D301
    from netlab import lab

    infos = [{**lab.attach(name).info, "lab": name} for name in lab.running()]
    if as_json:
        console.say_json(infos)
        return
    if not infos:
        console.note("no lab is running: start one with `netlab up TOPOLOGY`")
        return
    rows = [("lab", "topology", "seed", "nodes", "ended services")]
    for info in infos:
        ended = ", ".join(daemon["who"] for daemon in info["ended"]) or "-"
        rows.append((info["lab"], info["name"], str(info["seed"]), " ".join(info["nodes"]), ended))
    console.say_table(rows)
