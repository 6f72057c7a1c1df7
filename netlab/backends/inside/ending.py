"""The end of a node, or of a service, in a lab that goes on."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from netlab.backends.inside.conversation import signal_group
from netlab.backends.inside.daemons import Daemon
from netlab.backends.inside.nodes import NodeSpace
from netlab.errors import LabError

if TYPE_CHECKING:
    from netlab.backends.inside.supervisor import Supervisor

_GRACE_SECONDS = 1.0
_LAST_SECONDS = 10.0
_PAUSE_SECONDS = 0.002


def end_daemon(daemon: Daemon) -> None:
    """End a service, with its children: SIGTERM, and SIGKILL for one that does not heed it."""
    with contextlib.suppress(ProcessLookupError):
        pidfd = os.pidfd_open(daemon.pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        signal_group(daemon.pid, signal.SIGTERM)
        poll.poll(_GRACE_SECONDS * 1000)
        signal_group(daemon.pid, signal.SIGKILL)
        os.close(pidfd)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(daemon.pid, 0)


def end_node(lab: Supervisor, node: NodeSpace) -> None:
    """End every process of a node, and let go of its namespaces; its cables are others' to remove."""
    for conversation in lab.conversations:
        if conversation.node == node.plan.name:
            lab.signal_command(conversation, signal.SIGKILL)
    deadline = time.monotonic() + _LAST_SECONDS
    while found := list(_processes(node)):
        for pid in found:
            lab.services.pop(pid, None)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f"processes of node {node.plan.name} do not end", "they may wait for a disk")
        time.sleep(_PAUSE_SECONDS)
    for descriptor in (node.network, node.mounts, node.uts):
        if descriptor is not None:
            os.close(descriptor)


def _processes(node: NodeSpace) -> Iterator[int]:
    """Yield the processes that are in any of the node's namespaces; what has ended is in none."""
    held = {
        name: os.fstat(descriptor)
        for name, descriptor in (("net", node.network), ("mnt", node.mounts), ("uts", node.uts))
        if descriptor is not None
    }
    for entry in os.listdir("/proc"):  # noqa: PTH208 — names are wanted
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        for name, stat in held.items():
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{entry}/ns/{name}"), stat):  # noqa: PTH116 — one of many
                    yield int(entry)
                    break
