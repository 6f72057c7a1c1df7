"""Verbs that start nothing: check, plan, trace, doctor, completion."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Unpack

import click

from netlab.cli import console
from netlab.errors import Fault, InputError, MachineError, UsageError


@click.command("check", short_help="Validate topology files; start nothing.")
@click.argument("topologies", nargs=-1, required=True, metavar="TOPOLOGY...", type=click.Path(path_type=Path))
@console.json_option
def check_command(topologies: tuple[Path, ...], as_json: bool) -> int:
    """Validate each TOPOLOGY and tell every fault with its place; exit status 2 where there is one.

    \b
    Example:
      netlab check topologies/web.yaml
    """  # noqa: D301
    from netlab.plan import make_plan
    from netlab.topology import load

    faults: list[Fault] = []
    for path in topologies:
        try:
            plan = make_plan(load(path))
        except InputError as error:
            faults += error.faults
            continue
        if not as_json:
            counted = (
                console.count(len(plan.nodes), "node"),
                console.count(len(plan.switches), "switch"),
                console.count(sum(len(node.services) for node in plan.nodes), "service"),
            )
            console.say(f"{path}: good ({', '.join(counted)})")
    if as_json:
        console.say_json([asdict(fault) for fault in faults])
    elif faults:
        raise InputError(faults)
    return 2 if faults else 0


@click.command("plan", short_help="Show what will exist: names, addresses, MACs, rules, files.")
@console.topology_argument
@console.choices
@click.option("--commands", is_flag=True, help="Print the ip and nft commands that would do the same.")
@click.option("--files", is_flag=True, help="Print the configuration of the servers that are programs.")
@console.json_option
def plan_command(
    topology: Path, commands: bool, files: bool, as_json: bool, **choices: Unpack[console.Choices]
) -> None:
    """Show what `netlab run` and `netlab up` would make of TOPOLOGY; start nothing.

    \b
    Examples:
      netlab plan topologies/web.yaml
      netlab plan topologies/web.yaml --commands
      netlab plan topologies/web.yaml --files --engine http=nginx
    """  # noqa: D301
    from netlab.cli.running import load_plan
    from netlab.plan import describe
    from netlab.plan.commands import commands as as_commands
    from netlab.services import showing

    if commands and files:
        raise UsageError("--commands and --files do not go together", "give one of them")
    plan = load_plan(topology, **choices)
    if files and as_json:
        console.say_json(showing.data(plan))
    elif files:
        console.say(showing.text(plan).rstrip("\n"))
    elif as_json:
        console.say_json(describe.data(plan))
    elif commands:
        console.say("\n".join(as_commands(plan)))
    else:
        console.say(describe.text(plan).rstrip("\n"))


@click.group("trace", short_help="Show and compare the traces of runs.")
def trace_command() -> None:
    """Show and compare the traces of runs.

    \b
    Example:
      netlab trace diff runs/dns saved/dns
    """  # noqa: D301


@trace_command.command("show")
@click.argument("capture", type=click.Path(path_type=Path))
@click.option(
    "--headers",
    "number",
    type=click.IntRange(min=1),
    metavar="N",
    help="Draw the Nth packet's headers instead, and explain each field.",
)
@click.option("--numbers", is_flag=True, help="Number the packets, as --headers counts them.")
def show_command(capture: Path, number: int | None, *, numbers: bool) -> None:
    """Tell the packets of a CAPTURE, a pcapng file or a run's directory, one line each.

    \b
    Example:
      netlab trace show runs/dns/capture.pcapng
      netlab trace show runs/dns --numbers
      netlab trace show runs/dns --headers 3
    """  # noqa: D301
    from netlab.report.trace import format_trace, trace_of_capture

    path = capture / "capture.pcapng" if capture.is_dir() else capture
    if number is None:
        text = format_trace(trace_of_capture(path)).rstrip("\n")
        console.say(_numbered(text) if numbers else text)
    else:
        console.say(_drawn(path, number))


def _numbered(text: str) -> str:
    """Return a trace with the number of its packet before each line that tells one."""
    rows = text.splitlines()
    legend = [row for row in rows if row.startswith("#")]
    width = len(str(len(rows)))
    packets = rows[len(legend) :]  # all behind the legend
    return "\n".join([*legend, *(f"{at:>{width}}  {row}" for at, row in enumerate(packets, 1))])


def _drawn(path: Path, number: int) -> str:
    """Return the line of one packet, counted from 1, and its headers; UsageError where there is none."""
    from netlab.report.dissect import dissect
    from netlab.report.drawing import draw
    from netlab.report.pcapng import read_capture
    from netlab.report.trace import format_line, in_order, trace_of

    captured = read_capture(path)
    lines = trace_of(captured, str(path)).lines
    if number > len(lines):
        hint = "N counts the lines of the trace, from 1" if lines else "run the lab again"
        raise UsageError(f"{path} has {console.count(len(lines), 'packet')}, and no number {number}", hint)
    line, frame = lines[number - 1], in_order(captured.frames)[number - 1]
    drawn = draw(dissect(frame.data, frame.original_length))
    if not drawn:
        what = f"packet {number} is no IP packet: {format_line(line)}"
        raise UsageError(what, "choose one that has an IP header: netlab trace show --numbers tells them all")
    return f"{format_line(line)}\n\n{drawn}"


@trace_command.command("diff")
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@console.json_option
def diff_command(one: Path, other: Path, as_json: bool) -> int:
    """Compare two runs: directories, trace.txt or pcapng files. Exit status 0: the same, 1: they differ.

    Each direction of each flow is compared by itself, without times: what no seed decides is left out.

    \b
    Example:
      netlab trace diff runs/dns saved/dns
    """  # noqa: D301
    from netlab.report.compare import compare, load

    comparison = compare(load(one), load(other))
    if as_json:
        flows = [
            {"flow": flow.title, "differences": [asdict(d) for d in flow.differences()]}
            for flow in comparison.flows
        ]
        console.say_json({"same": comparison.same, "flows": flows})
    else:
        console.say(str(comparison).rstrip("\n"))
    return 0 if comparison.same else 1


@click.command("doctor", short_help="Tell what this machine allows, and the cure for each no.")
@console.json_option
def doctor_command(as_json: bool) -> int:
    """Try what netlab needs and may use; exit status 3 where something needed is missing.

    \b
    Example:
      netlab doctor
    """  # noqa: D301
    from netlab.backends.docker.image import digest, tag
    from netlab.kernel.probes import probe
    from netlab.kernel.readings import OwnImage
    from netlab.lab import installed

    findings = (*probe(OwnImage(tag(), digest())), *installed.find())
    missing = [finding for finding in findings if finding.needed and finding.status == "no"]
    if as_json:
        console.say_json([asdict(finding) for finding in findings])
        return MachineError.exit_status if missing else 0
    colours = {"yes": "green", "no": "yellow", "unknown": "yellow"}
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        colour = "red" if finding in missing else colours[finding.status]
        word = click.style(finding.status.ljust(7), fg=colour)
        console.say(f"{word}  {finding.name.ljust(width)}  {finding.detail}".rstrip())
        if finding.status == "no" and finding.cure:
            console.say(f"{' ' * (width + 11)}cure: {finding.cure}")
    console.say()
    console.say("labs cannot run here yet: see the red lines" if missing else "labs can run here")
    return MachineError.exit_status if missing else 0


@click.command("completion", short_help="Print the shell's completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print a script that teaches SHELL to complete netlab's words.

    \b
    Example:
      eval "$(netlab completion bash)"
    """  # noqa: D301
    from click.shell_completion import get_completion_class

    from netlab.cli.app import app

    completion = get_completion_class(shell)
    assert completion is not None
    console.say(completion(app, {}, "netlab", "_NETLAB_COMPLETE").source())
