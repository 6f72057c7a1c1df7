"""What nodes are given as they come up: files, then start-up commands, one after the other; and all commands.

Its counterpart is `netlab.plan.provisions`, which tells it beforehand.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from netlab.backends.inside import daemons, programs, trust
from netlab.backends.inside.nodes import NodeSpace, write_given
from netlab.errors import MachineError
from netlab.kernel import limits, process
from netlab.kernel.programs import search_path
from netlab.plan.model import Plan
from netlab.plan.provisions import log_name
from netlab.topology.given import Limits, Startup

_MOST_SHOWN = 60
# What a program may expect of any environment; the rest speaks of who started the lab.
_KEPT = ("HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The lab of what is started; `out` is where its record goes, `logs` where what is said does."""

    plan: Plan
    logs: Path
    out: Path | None


# -- every command -------------------------------------------------------------------------------------


def provided(node: NodeSpace, command: Mapping[str, Any]) -> dict[str, Any]:
    """Return a command, as a message has it, in the node's environment: the lab's, which wins."""
    own = dict(node.plan.provisions.environment)
    environment = {**command["environment"], **trust.variables(node.plan), **own}
    return {**command, "environment": environment}


def limits_of(node: NodeSpace) -> dict[str, int | None]:
    """Return the node's limits as a message has them."""
    return asdict(node.plan.provisions.limits)


def limit_script(told: Mapping[str, int | None]) -> None:
    """Limit this process, which is to run a script; its memory counts from what the interpreter has."""
    limits.apply(Limits(**told), beyond_own_memory=True)


# -- before the lab is ready ---------------------------------------------------------------------------


def give(nodes: Iterable[NodeSpace]) -> None:
    """Give the nodes their files, and see that their limits can be kept.

    Raises LabError for a file that cannot be where it should, MachineError for a limit that would do nothing.
    """
    for node in nodes:
        given = node.plan.provisions
        if given.files:
            node.prepare()
            if node.plan.image is not None:
                write_given(node)
        if given.limits.processes is not None:
            check_processes(node)


def check_processes(node: NodeSpace) -> None:
    """Raise MachineError where the kernel limits no processes of the node."""
    if not os.waitpid(process.fork(lambda: int(limits.can_limit_processes())), 0)[1]:
        what = f"the processes of node {node.plan.name} cannot be limited: the kernel limits none of root's"
        hint = "run netlab, or the container engine, as an ordinary user, or leave that limit out"
        raise MachineError(what, hint)


def start(nodes: Iterable[NodeSpace], around: Surroundings) -> list[daemons.Daemon]:
    """Run the start-up commands of each node, in order; return those that go on.

    Raises ServiceError with its last words for one that fails, or is not ready in its time.
    """
    going = []
    for node in nodes:
        for number, one in enumerate(node.plan.provisions.start, start=1):
            who = f"start-up command {number} of node {node.plan.name} ({shown(one.argv)})"
            log = around.logs / log_name(node.plan.name, number)
            own = job(node, one, who, log, around, limited=True)
            own.check_ports()
            daemon = own.launch()
            daemon.may_end = True  # it may leave a daemon of its own behind
            waiting = programs.Waiting.begun(own, daemon)
            if one.ready is None:
                waiting.until_end()
            elif waiting.until_ready():
                going.append(daemon)
    return going


def job(
    node: NodeSpace, startup: Startup, who: str, log: Path, around: Surroundings, *, limited: bool
) -> programs.Job:
    """Return what starts a command of the topology's."""
    ready = () if startup.ready is None else (startup.ready,)
    variables = environment(node, around)
    return programs.Job(node, who, startup.argv, variables, log, ready, startup.within, limited=limited)


def shown(argv: tuple[str, ...]) -> str:
    """Return a command for messages, cut where it is long."""
    words = shlex.join(argv)
    return words if len(words) <= _MOST_SHOWN else words[:_MOST_SHOWN] + "…"


def environment(node: NodeSpace, around: Surroundings) -> dict[str, str]:
    """Return the environment of what netlab starts: its PATH or that of an image, and the node's words."""
    plan, variables = around.plan, {}
    if node.programs is None:
        variables = {name: os.environ[name] for name in _KEPT if name in os.environ}
        variables["PATH"] = search_path()
        if around.out is not None:
            variables["NETLAB_OUT"] = str(around.out)
    told = {"NETLAB_LAB": plan.name, "NETLAB_NODE": node.plan.name, "NETLAB_SEED": str(plan.seed)}
    return variables | trust.variables(node.plan) | told | dict(node.plan.provisions.environment)
