"""Verbs that run something in a node: run, exec, shell, scapy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from netlab.cli import completing, console
from netlab.errors import LabError, NetlabError, ServiceError, TimeLimitError
from netlab.topology.vocabulary import DEFAULT_BACKEND

if TYPE_CHECKING:
    from netlab.lab import Lab
    from netlab.lab.record import Record
    from netlab.plan.model import Plan

_LAST_SECONDS = 1.0


def load_plan(topology: Path, **choices: Unpack[console.Choices]) -> Plan:
    """Load a topology file and plan it."""
    from netlab.plan import make_plan
    from netlab.topology import load

    return make_plan(load(topology, engines=choices["engines"]), **choices)


@contextmanager
def recorded(
    plan: Plan, record: Record, *, warm: bool = False, visible: tuple[Path, ...] = ()
) -> Iterator[Lab]:
    """Run a lab for as long as the block lasts, recorded; the record is completed whatever happens in it."""
    from netlab import lab

    with _no_orphans(plan.backend):
        with console.progress(f"starting {console.count(len(plan.nodes), 'node')} …"):
            started = lab.start(plan, record=record, warm=warm, visible=visible)
        with started:
            yield from _completed(started, record)


@contextmanager
def _no_orphans(backend: str) -> Iterator[None]:
    """Wait for the PID 1 of a lab that was made here, which outlives its keeper by a moment.

    So it is nobody's zombie: in many a container PID 1 waits for none. A lab in containers has no such.
    """
    if backend != DEFAULT_BACKEND:
        yield
        return
    from netlab.kernel.process import reap
    from netlab.kernel.syscalls import adopt_orphans

    adopt_orphans()
    try:
        yield
    finally:
        reap(_LAST_SECONDS)


def _completed(started: Lab, record: Record) -> Iterator[Lab]:
    try:
        yield started
    except BaseException as first:
        try:
            _complete(started, record)
        except ServiceError as error:
            console.note(f"netlab: {error}")
        except NetlabError:
            pass  # what came first says why
        else:
            if isinstance(first, TimeLimitError):
                console.note(f"recorded in {record.shown}/")
        raise
    _complete(started, record)


def _complete(running: Lab, record: Record) -> None:
    with console.patiently("completing the record"):
        try:
            running.finish()
        except LabError:
            with suppress(NetlabError):
                record.write_trace()
            raise
        record.write_trace()


@click.command("run", short_help="Start a lab, run a command in a node, stop the lab.")
@console.topology_argument
@click.argument("node", shell_complete=completing.planned_nodes)
@console.command_argument
@console.choices
@console.out_option
@console.limit_option
def run_command(
    topology: Path,
    node: str,
    command: tuple[str, ...],
    out: Path | None,
    time_limit: float | None,
    **choices: Unpack[console.Choices],
) -> int:
    """Start the lab of TOPOLOGY, run COMMAND in NODE, and stop everything; the exit status is the command's.

    A COMMAND that ends in .py is run with the lab's Python, Scapy at hand and `random` seeded.
    The record is left in runs/NAME, NAME being the topology's.

    \b
    Examples:
      netlab run topologies/web.yaml client -- dig www.lab.test
      netlab run topologies/web.yaml client -- my_script.py
    """  # noqa: D301
    from netlab.cli import terminal
    from netlab.lab.record import claim

    console.require_directory()
    plan = load_plan(topology, **choices)
    console.require_node(node, [planned.name for planned in plan.nodes], topology)
    record = claim(out, plan.name, [one.file for one in plan.captures])
    with recorded(plan, record, warm=command[0].endswith(".py")) as lab:
        status = terminal.run(lab, node, command, seconds=time_limit or plan.time_limit)
    console.note(f"recorded in {record.shown}/")
    return status


@click.command("exec", short_help="Run a command in a node of a running lab.")
@console.node_argument
@console.command_argument
@console.lab_option
@console.limit_option
def exec_command(node: str, command: tuple[str, ...], lab_name: str | None, time_limit: float | None) -> int:
    """Run COMMAND in NODE of a lab that `netlab up` started; the exit status is the command's.

    \b
    Example:
      netlab exec client -- ping -c 1 web
    """  # noqa: D301
    return _in_running_lab(lab_name, node, command, time_limit, limited=True)


@click.command("shell", short_help="Open a shell in a node of a running lab.")
@console.node_argument
@console.lab_option
def shell_command(node: str, lab_name: str | None) -> int:
    """Open a shell ($SHELL, else /bin/sh; in a container sh) in NODE of a lab that `netlab up` started.

    \b
    Example:
      netlab shell client
    """  # noqa: D301
    return _in_running_lab(lab_name, node, None, None)


@click.command("scapy", short_help="Open Scapy's prompt in a node of a running lab.")
@console.node_argument
@console.lab_option
def scapy_command(node: str, lab_name: str | None) -> int:
    """Open Scapy's prompt in NODE; each node's address is there under the node's name.

    \b
    Example:
      netlab scapy client
      >>> sr1(IP(dst=dns)/UDP(sport=50000)/DNS(qd=DNSQR(qname="www.lab.test")))
    """  # noqa: D301
    from netlab.lab import PROMPT

    return _in_running_lab(lab_name, node, (PROMPT,), None)


def _in_running_lab(
    lab_name: str | None,
    node: str,
    command: tuple[str, ...] | None,
    limit: float | None,
    *,
    limited: bool = False,
) -> int:
    """Run a command, or else a shell; one that is `limited` has the lab's limit if it has no other."""
    from netlab import lab
    from netlab.cli import terminal

    console.require_directory()
    running = lab.attach(lab_name)
    console.require_node(node, running.nodes, f"lab {running.info['name']}")
    seconds = limit or (running.info.get("time_limit") if limited else None)
    return terminal.run(running, node, command or (_shell(running),), seconds=seconds)


def _shell(running: Lab) -> str:
    """Return the user's shell, where the node has it."""
    shell = os.environ.get("SHELL", "/bin/sh")
    if not running.shares_machine:
        return "sh"  # wherever the image has it
    return shell if os.access(shell, os.X_OK) else "/bin/sh"
