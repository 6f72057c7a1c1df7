"""One star of netlab's, measured as `floor.py` measures its own, and what else a running lab can tell.

Run as a program, it prints one line of JSON: `start` and `stop` in milliseconds; with --more also `exec` and
`nsenter` (milliseconds a command) and `memory` (KiB of the lab's own processes, the kernel's not counted):

    python tests/bench/star.py HOSTS [--more]
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from statistics import median

from netlab import lab
from netlab.backends.netns import session  # noqa: F401 — what a start imports
from netlab.plan import make_plan
from netlab.topology.model import Interface, Network, Node, Topology

COMMANDS = 20
ASK = """
import socket, sys
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.settimeout(5)
probe.connect((sys.argv[1], 9))
probe.send(b"?")
try:
    probe.recv(1)
except ConnectionRefusedError:
    sys.exit(0)
"""


def star(hosts: int) -> Topology:
    """Ask for hosts on one switch, without services."""
    first = int(IPv4Address("10.0.0.1"))
    nodes = tuple(
        Node(f"h{number}", (Interface("eth0", "lan", IPv4Address(first + number)),))
        for number in range(1, hosts + 1)
    )
    return Topology("star", 1, (Network("lan", IPv4Network("10.0.0.0/16")),), nodes)


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes below one."""
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        yield child
        yield from descendants(child)


def private_kib(pid: int) -> int:
    """Return the memory that a process alone has: what would come free if it went."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def milliseconds(body: Callable[[], object]) -> float:
    """Time a call."""
    begin = time.perf_counter()
    body()
    return (time.perf_counter() - begin) * 1000


def entering(running: lab.Lab) -> dict[str, float]:
    """Time `true` in a node, beside nsenter's into the lab's own network."""
    inner = list(descendants(os.getpid()))[-1]
    kinds = ["--net"] if os.geteuid() == 0 else ["--user", "--preserve-credentials", "--net"]
    nsenter = ["nsenter", f"--target={inner}", *kinds, "true"]
    ours, theirs = [], []
    for _ in range(COMMANDS):
        ours.append(milliseconds(lambda: running.run("h1", ["true"])))
        theirs.append(milliseconds(lambda: subprocess.run(nsenter, check=True)))
    return {"exec": median(ours), "nsenter": median(theirs)}


def main() -> None:
    """Start and stop one lab; print the figures."""
    plan = make_plan(star(int(sys.argv[1])))
    gc.disable()
    begin = time.perf_counter()
    running = lab.start(plan)
    figures = {"start": (time.perf_counter() - begin) * 1000}
    if "--more" in sys.argv:
        figures["memory"] = sum(map(private_kib, descendants(os.getpid())))
        figures |= entering(running)
    proof = running.run("h1", [sys.executable, "-c", ASK, str(plan.nodes[-1].address)])
    figures["stop"] = milliseconds(running.stop)
    if proof != 0:
        sys.exit("the last host did not answer the first")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
