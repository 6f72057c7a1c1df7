"""Short-lived children that enter nodes' networks and bring back what they find there.

So the supervisor never leaves its own. What stays in a node is `daemons`' and the commands'.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable

from netlab.backends.netns import channel
from netlab.backends.netns.nodes import NodeSpace
from netlab.errors import LabError
from netlab.kernel import process
from netlab.kernel.packets import packet_socket
from netlab.kernel.syscalls import CLONE_NEWNET, setns


def listen(node: NodeSpace) -> tuple[dict[str, str], list[int]]:
    """Return the names of a node's interfaces by index, and the descriptor of a packet socket hearing them.

    LabError where there can be none. The child is the supervisor's loop to reap.
    """
    ours, theirs = channel.pair()

    def body() -> int:
        setns(node.network, CLONE_NEWNET)
        sock = packet_socket(ignore_outgoing=False)
        names = {str(index): name for index, name in socket.if_nameindex()}
        channel.send(theirs, names, (sock.fileno(),))
        return 0

    process.fork(body)
    theirs.close()
    received = channel.receive(ours)
    ours.close()
    if received is None:
        raise LabError(f"cannot listen in node {node.plan.name}", "see `netlab doctor`")
    return received


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
