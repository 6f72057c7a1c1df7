"""What a node's kernel itself counted: a second witness beside the packets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netlab.plan.model import Rule

PROTOCOLS = ("Ip", "Icmp", "Tcp", "Udp")
# The same file has settings among the counters, and some of them are not what the lab's routes say.
SETTINGS = ("Forwarding", "DefaultTTL", "RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn")


def read(rules: Sequence[Rule]) -> dict[str, dict[str, int]]:
    """Read the current namespace's counters, by protocol and name (RFC 1213's), and those of its rules."""
    counted = parse_snmp(Path("/proc/thread-self/net/snmp").read_text())
    if rules:
        from netlab.kernel.firewall import counters

        counted["rules"] = {name: packets for name, (packets, _) in counters().items()}
    return counted


def parse_snmp(text: str) -> dict[str, dict[str, int]]:
    """Parse /proc/net/snmp: for each protocol a line of names, then a line of numbers."""
    lines = [line.split() for line in text.splitlines()]
    counted = {}
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        protocol = names[0].rstrip(":")
        if protocol in PROTOCOLS:
            numbers = zip(names[1:], map(int, values[1:]), strict=True)
            counted[protocol] = {name: number for name, number in numbers if name not in SETTINGS}
    return counted
