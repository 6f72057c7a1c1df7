"""PID 1 of a lab of containers: the supervisor, in the container that holds the switches.

The nodes' containers share its process namespace: it sees their processes, joins and enters the namespaces
of these, and when it ends, the kernel ends them all. It ends when its standard input does, which the lab's
maker holds; a lab that outlives its maker has none.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from netlab.backends.docker.containers import JOB, PLACE, Job
from netlab.backends.docker.portal import RECORD, SOCKET
from netlab.backends.inside import channel
from netlab.backends.inside.building import apply_rules
from netlab.backends.inside.nodes import NodeSpace, Programs, write_files
from netlab.backends.inside.supervisor import Supervisor
from netlab.backends.protocol import Request
from netlab.errors import LabError
from netlab.kernel import syscalls as sc
from netlab.kernel.namespace import entered, write_sysctl
from netlab.plan.model import Plan
from netlab.plan.seal import NODE_CAPABILITIES
from netlab.wiring import wire

START_SECONDS = 120.0  # for the engine to start what the driver asks it to
_PAUSE_SECONDS = 0.005


def main() -> int:
    """Build the lab, tell the driver, serve."""
    # Python has a handler for it; without one, the kernel keeps a node's from PID 1.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    job = Job.unpacked(Path(JOB).read_bytes())
    lease = _take_lease() if job.leased else None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(SOCKET)
    listener.listen(64)
    record = Path(RECORD) if job.out is not None else None
    request = Request(job.plan, record, job.warm)
    make_nodes = partial(_make_nodes, lease)
    supervisor = Supervisor(request, grows=False, listener=listener, make_nodes=make_nodes, shown=job.out)
    try:
        if record is not None:
            (record / "logs").mkdir(parents=True)
        _allow_sysctls()
        supervisor.build()
        for node in supervisor.nodes.values():
            supervisor.watch_container(node)
    except BaseException as error:
        _tell({"error": channel.encode_error(error)})
        return 1
    _tell({"ready": True})
    supervisor.serve(lease=lease)
    return 0


def _take_lease() -> int:
    """Keep the standard input where no child does: whoever holds it, a node's root too, holds the lab."""
    lease = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return lease


def _tell(message: channel.Message) -> None:
    """Tell the driver, in a line of our output."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _allow_sysctls() -> None:
    """Make the parameters of network namespaces writable here: engines mount them read-only."""
    sc.unshare(sc.CLONE_NEWNS)
    sc.mount("none", "/", flags=sc.MS_REC | sc.MS_PRIVATE)
    sc.mount(
        "none", "/proc/sys", flags=sc.MS_BIND | sc.MS_REMOUNT | sc.MS_NOSUID | sc.MS_NODEV | sc.MS_NOEXEC
    )


# -- the nodes ---------------------------------------------------------------------------------------


def _make_nodes(lease: int | None, plan: Plan) -> dict[str, NodeSpace]:
    """Wire the nodes' containers as they come, then let the driver start those of their own images."""
    processes = _wait_for((f"node/{node.name}" for node in plan.nodes), lease)
    nodes = {node.name: _space(node.name, processes[f"node/{node.name}"], plan) for node in plan.nodes}
    for node in nodes.values():
        # Engines leave it on in one kind of container, and turn it off in another.
        with entered(node.network):
            write_sysctl("-net.ipv6.conf.all.disable_ipv6", "0", node.plan.name)
    fabric = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    wire(plan, fabric, {name: node.network for name, node in nodes.items()})
    os.close(fabric)
    apply_rules(nodes.values())
    for node in nodes.values():
        write_files(node)
    images = [node.name for node in plan.nodes if node.image is not None]
    if images:
        _tell({"wired": True})
        for name in images:
            nodes[name].programs = _programs_of_image(name, lease)
    return nodes


def _space(name: str, process: int, plan: Plan) -> NodeSpace:
    programs = _programs(process)
    return NodeSpace(
        plan.node(name),
        network=_open(process, "ns/net"),
        mounts=programs.mounts,
        uts=_open(process, "ns/uts"),
        capabilities=NODE_CAPABILITIES,
        programs=programs,
        first=os.pidfd_open(process),
    )


def _programs(process: int) -> Programs:
    pairs = (pair.partition("=") for pair in _environment(process))
    environment = {name: value for name, _, value in pairs if name and name != PLACE}
    directory = str(Path(f"/proc/{process}/cwd").readlink())
    return Programs(_open(process, "ns/mnt"), environment, directory, os.pidfd_open(process))


def _programs_of_image(name: str, lease: int | None) -> Programs:
    """Return a node's own programs; where these end at once, the driver sees that, and ends the lab."""
    while True:
        process = _wait_for([f"image/{name}"], lease)[f"image/{name}"]
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return _programs(process)


def _open(process: int, name: str) -> int:
    return os.open(f"/proc/{process}/{name}", os.O_RDONLY | os.O_CLOEXEC)


def _wait_for(places: Iterable[str], lease: int | None) -> dict[str, int]:
    """Return the first process of each container, by what the container says it is; leave with the driver."""
    wanted = {f"{PLACE}={place}": place for place in places}
    found: dict[str, int] = {}
    deadline = time.monotonic() + START_SECONDS
    while len(found) < len(wanted):
        for entry in os.listdir("/proc"):  # noqa: PTH208 — names are wanted
            if entry.isdigit() and int(entry) not in found.values() and _is_first(entry):
                for pair in _environment(int(entry)):
                    if pair in wanted:
                        found.setdefault(wanted[pair], int(entry))
        if time.monotonic() > deadline:
            missing = ", ".join(sorted(set(wanted.values()) - found.keys()))
            raise LabError(f"containers do not start: {missing}", "see `docker ps --all`")
        ready = select.select([] if lease is None else [lease], [], [], _PAUSE_SECONDS)[0]
        if ready and not os.read(ready[0], 4096):
            os._exit(0)
    return found


def _is_first(entry: str) -> bool:
    """Whether a process's parent is outside of what we see, as that of a container's first one."""
    try:
        status = Path(f"/proc/{entry}/status").read_text()
    except OSError:
        return False
    return "\nPPid:\t0\n" in status


def _environment(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/environ").read_text(errors="replace").split("\0")
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
