"""What a backend is: a handful of verbs that start a lab, find it again, and run things in its nodes.

What a lab does, its wires, services and captures, is one code for all of them (`netlab.backends.inside`);
a backend only makes the nodes and carries words and bytes to that code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from netlab.errors import UsageError
from netlab.kernel.process import Command
from netlab.plan.model import Plan

if TYPE_CHECKING:
    from netlab.plan.changes import Change

_NAME = re.compile(r"\w[\w.-]{0,63}", re.ASCII)  # /proc/net/unix is read by words; engines ask for as much

# In the place of a script's name: Scapy's own prompt.
PROMPT = "<prompt>"


@dataclass(frozen=True, slots=True)
class Request:
    """How a lab is started.

    `out` is the directory that takes its record, `warm` imports Scapy at once, `visible` are files and
    directories that the lab must see beside what its backend shows anyway.
    """

    plan: Plan
    out: Path | None = None
    warm: bool = False
    visible: tuple[Path, ...] = ()


def check_name(name: str) -> None:
    """Raise UsageError unless a lab that goes on can have this name, whatever its backend."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a lab's name", "take up to 64 letters, digits, dots and dashes")


def every_cable(ask: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    """Return what a lab tells of all its cables, of which `ask` has some: from a first on, `more` or not."""
    told = ask(0)
    while told.pop("more"):
        told = (following := ask(len(told["cables"]))) | {"cables": told["cables"] + following["cables"]}
    return told


@dataclass(frozen=True, slots=True)
class Rewire:
    """A wire that is asked for while a lab runs: on which node's cable, and its words.

    `interface` is None where the node has one; `words` are as `netlab.topology.impairing` reads them, none:
    the wire is taken away; `ways` are of its directions "sent" and "received" those that it is about.
    """

    node: str
    words: tuple[str, ...] = ()
    interface: str | None = None
    ways: tuple[str, ...] = ("sent", "received")


class Running(Protocol):
    """What runs in a node; `fileno` is readable when it has ended."""

    def fileno(self) -> int:
        """Return the descriptor to poll."""

    def wait(self, seconds: float | None = None) -> int:
        """Wait for the end and return the exit status, 128 + n for signal n as a shell has it.

        Raises TimeLimitError when `seconds` are over first, and it still runs; LabError when the lab ended.
        """

    def signal(self, number: int) -> None:
        """Send a signal to the command and its children; nothing happens once it has ended."""

    def close(self) -> None:
        """Leave; what still runs is killed."""


class Lease(Protocol):
    """Readable when the lab has ended."""

    def fileno(self) -> int:
        """Return the descriptor to poll."""

    def close(self) -> None:
        """Forget it."""


class Session(Protocol):
    """A running lab. `stdio` and `output` are descriptors of this process, which it may close afterwards."""

    # Whether nodes see the machine's files and programs, and so take over its user's environment.
    shares_machine: bool

    def run(self, node: str, command: Command, stdio: Sequence[int], *, script: bool = False) -> Running:
        """Start a command in a node, or a Python script that finds Scapy imported."""

    def packets(self, node: str, output: int) -> Running:
        """Write what a node sends and receives as pcapng, as it comes; SIGTERM completes it."""

    def logs(self, node: str, output: int, *, follow: bool) -> Running:
        """Write what a node's services have logged; with `follow`, go on until SIGTERM or the lab's end."""

    def info(self) -> dict[str, Any]:
        """Return what the lab is: name, seed, `time_limit`, nodes, `out`, what has `ended` before its time.

        A node has addresses, services, for each of these its engine and that one's version, and an image.
        """

    def apply(self, plan: Plan, *, dry: bool = False) -> list[Change]:
        """Bring the lab to what a plan says, and return what that changed; `dry`: what it would change.

        Raises UsageError where that takes a new start, and where a step fails, what it failed with, as a
        NetlabError that names the step; the lab is then what it was. Once begun, it comes to one of these
        ends even if the caller goes away; a second one waits for the first.
        """

    def wires(self) -> dict[str, Any]:
        """Return the lab's `cables`, each with its wire and what that did, and the packets `lost`."""

    def wire(self, asked: Rewire) -> list[Change]:
        """Give a cable another wire, and return what that changed; raises what `apply` does."""

    def finish(self) -> list[dict[str, Any]]:
        """Complete the record; return the services that had ended, with status and last log lines."""

    def lease(self) -> Lease:
        """Return what becomes readable when the lab has ended."""

    def close(self) -> None:
        """End the lab and wait until nothing of it is left; twice is harmless."""


class Backend(Protocol):
    """Where labs are made."""

    def start(self, request: Request) -> Session:
        """Start a lab that ends with this process, or with `close`.

        Raises MachineError where the machine refuses, LabError and ServiceError where the lab does not
        come up; then nothing of it is left.
        """

    def start_detached(self, request: Request, name: str, *, lock: int | None = None) -> bool:
        """Start a lab that outlives this process, under a name; UsageError where that is taken, or is none.

        Returns whether the lab holds `lock`, a file's descriptor, for as long as it runs.
        """

    def attach(self, name: str) -> Session:
        """Find a lab that `start_detached` started; UsageError where there is none of that name."""

    def names(self) -> list[str]:
        """Return the names of this user's labs that outlive their makers."""
