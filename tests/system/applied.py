"""What the tests of `apply` share: labs from a text, and all that their nodes show of themselves."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from netlab import lab, topology
from netlab.lab import Lab
from netlab.plan import make_plan
from netlab.plan.model import Plan
from tests.system.harness import ROOT, init_of, read, read_stat
from tests.system.harness import processes as every_process

TOPOLOGIES = ROOT / "topologies"

# What a node's kernel and files say, without what counts or tells the time.
LOOK = r"""
ip -o -d link; ip -o address; ip route; ip -6 route
nft list ruleset
hostname; cat /etc/hosts /etc/resolv.conf /etc/motd /srv/given 2>/dev/null
grep -rs . /proc/sys/net/ipv4 /proc/sys/net/ipv6
"""
_PASSING = (
    (r"(@if|link-netnsid |packets |bytes |handle )[0-9]+", r"\1N"),
    (r"(valid_lft|preferred_lft) \S+", ""),
    (r"tcp_fastopen_key:.*|tcp_child_ehash_entries:.*|stable_secret:.*", ""),
    (r" (numtxqueues|numrxqueues|gso_max_size|tso_max_size|gro_max_size) [0-9]+", ""),
)
# What of the fabric is numbered as it comes, or told of the moment.
_PASSING_FABRIC = (
    *_PASSING,
    (r"(?m)^[0-9]+: ", ""),
    (r" state LOWERLAYERDOWN", " state DOWN"),
    (r" (gc_timer|hello_timer|tcn_timer|[a-z_]*_timer) +[0-9.]+", ""),
    (r" (port_id|port_no|designated_port) [0-9a-fx]+", ""),
)


def plan(text: str, **choices: int) -> Plan:
    """Plan a topology, whose content lies in topologies/."""
    return make_plan(topology.parse(text, file="lab.yaml", directory=TOPOLOGIES), **choices)


@contextmanager
def started(text: str, out: Path | None = None) -> Iterator[Lab]:
    """Start a lab for as long as the block lasts; `out` is the directory of its record."""
    from netlab.lab.record import claim

    made = plan(text)
    record = claim(out, made.name, [one.file for one in made.captures]) if out is not None else None
    with lab.start(made, record=record) as running:
        yield running


def looks(running: Lab) -> dict[str, list[str]]:
    """Return what each node of the lab that was started last shows of itself, and what is between them."""
    between = {"info": [str(running.info["nodes"])], "fabric": fabric(), "processes": processes()}
    return {node: look(running, node) for node in running.nodes} | between


def fabric() -> list[str]:
    """Return the switches and their ports, in the network of the lab's supervisor."""
    entered = ["nsenter", "-t", str(init_of(os.getpid())), "-U", "-n", "--preserve-credentials"]
    done = subprocess.run([*entered, "ip", "-o", "-d", "link"], capture_output=True, text=True, check=True)
    return sorted(_lasting(done.stdout, _PASSING_FABRIC))


def processes() -> list[str]:
    """Return the command lines of all processes of the lab; what has ended has none."""
    parents = {pid: int(stat[1][1]) for pid in every_process() if (stat := read_stat(pid))}
    inside = {init_of(os.getpid())}
    while more := {pid for pid, parent in parents.items() if parent in inside} - inside:
        inside |= more
    lines = (read(pid, "cmdline") for pid in inside)
    return sorted(line.replace(b"\0", b" ").decode() for line in lines if line)


def look(running: Lab, node: str) -> list[str]:
    """Return what a node shows of itself, sorted: the order of addresses is that of their coming."""
    said = running.output(node, ["sh", "-c", LOOK]).stdout
    return sorted(_lasting(said, _PASSING))


def _lasting(said: str, passing: Iterable[tuple[str, str]]) -> list[str]:
    for pattern, instead in passing:
        said = re.sub(pattern, instead, said)
    return said.splitlines()


def out(running: Lab, node: str, line: str) -> str:
    """Return what a shell's line prints in a node; it must succeed."""
    done = running.output(node, ["sh", "-c", line])
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def fails(running: Lab, node: str, line: str) -> bool:
    """Whether a shell's line fails in a node."""
    return running.output(node, ["sh", "-c", line]).returncode != 0
