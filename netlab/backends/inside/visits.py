"""Short-lived children that enter nodes' networks and bring back what they find there.

So the supervisor never leaves its own. What stays in a node is `daemons`' and the commands'.
"""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from netlab.backends.inside.nodes import NodeSpace
from netlab.errors import LabError
from netlab.kernel import files, process
from netlab.kernel.syscalls import CLONE_NEWNET, setns
from netlab.plan.model import Plan

_CHUNK = 65536
_FOLLOW_SECONDS = 0.1


def listen(node: NodeSpace, plan: Plan, output: int) -> int:
    """Start what writes the node's packets to `output` until SIGTERM; returns its process."""

    def body() -> int:
        from netlab.recording import record_node

        os.setsid()
        setns(node.network, CLONE_NEWNET)
        with suppress(OSError), open(output, "wb", closefd=False) as file:
            record_node(plan, file)
        return 0

    return process.fork(body, holding=[signal.SIGTERM])


def copy_logs(logs: Sequence[Path], output: int, *, follow: bool) -> int:
    """Start what copies logs to `output`, and what they gain until SIGTERM; returns its process."""

    def body() -> int:
        os.setsid()
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGTERM, lambda *_: None)
        process.let_signals()
        opened = [files.open_regular(path) for path in logs]
        ending = not follow
        while True:
            for log in opened:
                while data := log.read(_CHUNK):
                    _write(output, data)
            if ending:
                return 0
            # What a lab writes as it ends is copied in a last round.
            ending = bool(select.select([woken], [], [], _FOLLOW_SECONDS)[0])

    return process.fork(body, holding=[signal.SIGTERM])


def _write(output: int, data: bytes) -> None:
    while data:
        data = data[os.write(output, data) :]


def count(nodes: Iterable[NodeSpace]) -> str:
    """Return what each node's kernel has counted, as JSON by node's name; LabError where that fails."""
    reading, writing = os.pipe()

    def body() -> int:
        from netlab.kernel.counters import read

        counted = {}
        for node in nodes:
            setns(node.network, CLONE_NEWNET)
            counted[node.plan.name] = read(node.plan.rules)
        with os.fdopen(writing, "w") as told:
            told.write(json.dumps(counted, indent=1) + "\n")
        return 0

    child = process.fork(body)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    if os.waitpid(child, 0)[1]:
        raise LabError("the kernels' counters could not be read", "see `netlab doctor`")
    return text
