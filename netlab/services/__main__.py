"""Serve one node's services in the foreground: `python3 -m netlab.services TOPOLOGY NODE`.

For who runs a node without netlab, as a Compose file does. The log is on standard output; SIGTERM ends it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from netlab import topology
from netlab.errors import NetlabError, UsageError
from netlab.services.engines import ENGINES, Server, every_address
from netlab.topology.model import Node

_ENDING = (signal.SIGTERM, signal.SIGINT)
_say = partial(print, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    # Blocked before there are threads, so that they come to `sigwait` and to no one else.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        servers = _bound(_node(arguments))
    except NetlabError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    for server in servers:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
    signal.sigwait(_ENDING)
    return 0


def _node(arguments: Sequence[str]) -> Node:
    if len(arguments) != 2:
        raise UsageError("which node?", "python3 -m netlab.services TOPOLOGY NODE")
    path, name = arguments
    loaded = topology.load(Path(path))
    try:
        node = loaded.node(name)
    except KeyError:
        names = ", ".join(each.name for each in loaded.nodes)
        raise UsageError(f"{path} has no node {name!r}", f"it has {names}") from None
    if not node.services:
        raise UsageError(f"the node {name!r} of {path} has no services", "there is nothing to serve")
    return node


def _bound(node: Node) -> list[Server]:
    """Return the servers of a node, all of them with their ports, or raise MachineError."""
    servers = []
    addresses = every_address(ipv6=any(one.address6 for one in node.interfaces))
    for service in node.services:
        if (service.kind, service.engine) not in ENGINES:
            what = f"the service {service.called} of node {node.name} is served by {service.engine}"
            raise UsageError(what, "here builtin engines serve alone: use `netlab up`")
        server = ENGINES[service.kind, service.engine](service, addresses, _say)
        server.bind()
        _say(f"{service.kind} ({service.engine}) of node {node.name} serves")
        servers.append(server)
    return servers


def _serve(server: Server) -> None:
    """Serve for ever; a server that fails takes the process with it, so that its end is seen."""
    try:
        server.serve()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
