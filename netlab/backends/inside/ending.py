"""The end of services, each in its own way, and of a node in a lab that goes on."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from netlab.backends.inside.conversation import signal_group
from netlab.backends.inside.daemons import Daemon
from netlab.backends.inside.nodes import NodeSpace
from netlab.backends.inside.standing import Standing
from netlab.errors import LabError

_GRACE_SECONDS = 2.0
_LAST_SECONDS = 10.0
_PAUSE_SECONDS = 0.002
_ENDED = ("Z", "X")


def let_begin(daemons: Iterable[Daemon], until: float) -> None:
    """Wait until that time, of the monotonic clock, or until all of them have ended."""
    waiting = contextlib.ExitStack()
    poll = select.poll()
    with waiting:
        left = set()
        for daemon in daemons:
            with contextlib.suppress(ProcessLookupError):
                left.add(pidfd := os.pidfd_open(daemon.pid))
                waiting.callback(os.close, pidfd)
                poll.register(pidfd, select.POLLIN)
        while left and (seconds := until - time.monotonic()) > 0:
            for pidfd, _ in poll.poll(seconds * 1000):
                poll.unregister(pidfd)
                left.discard(pidfd)


def end_daemons(daemons: Iterable[Daemon]) -> None:
    """End services, with their children: by the signal of each, and SIGKILL for those that do not heed it."""
    asked = list(daemons)
    for daemon in asked:
        signal_group(daemon.pid, daemon.stop or signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    for daemon in asked:
        with contextlib.suppress(ProcessLookupError):
            pidfd = os.pidfd_open(daemon.pid)
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            os.close(pidfd)
        signal_group(daemon.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(daemon.pid, 0)


def end_node(lab: Standing, node: NodeSpace) -> None:
    """End every process of a node, and let go of its namespaces; its cables are others' to remove.

    Whoever follows its logs sees their last lines, and then the end.
    """
    found = _held(node)  # before a parent ends
    talking = [conversation for conversation in lab.conversations if conversation.node == node.plan.name]
    for conversation in talking:
        if not conversation.follows:
            lab.signal_command(conversation, signal.SIGKILL)
    deadline = time.monotonic() + _LAST_SECONDS
    while found:
        for pid in found:
            lab.services.pop(pid, None)
            _signal(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f"processes of node {node.plan.name} do not end", "they may wait for a disk")
        time.sleep(_PAUSE_SECONDS)
        found = _held(node)
    for conversation in talking:
        if conversation.follows:
            lab.signal_command(conversation, signal.SIGTERM)
    for descriptor in (node.network, node.mounts, node.uts):
        if descriptor is not None:
            os.close(descriptor)


def _held(node: NodeSpace) -> set[int]:
    """Stop and return the processes of a node: those in its namespaces, and what descends from them.

    A child may have namespaces of its own, and only its parents tell whose it is: so none ends before all
    are stopped, and none that is stopped has another child.
    """
    stopped: set[int] = set()
    while anew := descendants({*_processes(node), *stopped}, _parents()) - stopped:
        for pid in anew:
            _signal(pid, signal.SIGSTOP)
        stopped |= anew
    return stopped


def descendants(roots: set[int], parents: Mapping[int, int]) -> set[int]:
    """Return processes with all that descends from them; `parents` has each one's that runs."""
    found, added = set(roots), set(roots)
    while added:
        added = {pid for pid, parent in parents.items() if parent in added} - found
        found |= added
    return found


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _pids() -> Iterator[int]:
    """Yield all processes of the lab but this one, its first."""
    for entry in os.listdir("/proc"):  # noqa: PTH208 — names are wanted
        if entry.isdigit() and int(entry) != os.getpid():
            yield int(entry)


def _parents() -> dict[int, int]:
    """Return the parent of each process that has not ended (proc_pid_stat(5))."""
    found = {}
    for pid in _pids():
        with contextlib.suppress(OSError):
            state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
            if state not in _ENDED:
                found[pid] = int(parent)
    return found


def _processes(node: NodeSpace) -> Iterator[int]:
    """Yield the processes that are in any of the node's namespaces; what has ended is in none."""
    held = {
        name: os.fstat(descriptor)
        for name, descriptor in (("net", node.network), ("mnt", node.mounts), ("uts", node.uts))
        if descriptor is not None
    }
    for pid in _pids():
        for name, stat in held.items():
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/ns/{name}"), stat):  # noqa: PTH116 — one of many
                    yield pid
                    break
