"""What the tests of `apply` share: labs from a text, and all that their nodes show of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netlab import lab, topology
from netlab.lab import Lab
from netlab.plan import make_plan
from netlab.plan.model import Plan
from tests.system.harness import ROOT

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
    """Return what each node shows of itself."""
    return {node: look(running, node) for node in running.nodes} | {"info": [str(running.info["nodes"])]}


def look(running: Lab, node: str) -> list[str]:
    """Return what a node shows of itself, sorted: the order of addresses is that of their coming."""
    said = running.output(node, ["sh", "-c", LOOK]).stdout
    for pattern, instead in _PASSING:
        said = re.sub(pattern, instead, said)
    return sorted(said.splitlines())


def out(running: Lab, node: str, line: str) -> str:
    """Return what a shell's line prints in a node; it must succeed."""
    done = running.output(node, ["sh", "-c", line])
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def fails(running: Lab, node: str, line: str) -> bool:
    """Whether a shell's line fails in a node."""
    return running.output(node, ["sh", "-c", line]).returncode != 0
