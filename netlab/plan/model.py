"""What will exist: every name, number, file and rule, decided before the machine is touched.

Its counterpart is `netlab.topology.model`, what was asked for. Same topology and seed, same plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from netlab.topology.model import Service
from netlab.topology.vocabulary import DEFAULT_BACKEND

# The ports that a node's kernel gives out (ip_local_port_range). The labs' own draw from RFC 6335's
# dynamic ports, 49152–65535: so a port tells whether a seed or a kernel chose it.
KERNEL_PORTS = range(32768, 49152)

# Every node's routes carry it: RFC 6298, section 2.4, asks for a second, Linux takes 200 ms. With a
# second, a slow script does not provoke retransmissions, and a trace is the same on any machine.
RTO_MIN_MS = 1000


@dataclass(frozen=True, slots=True)
class Port:
    """A node's interface and its other end, a port of a switch, which stands in the fabric.

    `mac` is the node's, `port_mac` the switch port's. `port` is at most 15 bytes (IFNAMSIZ).
    """

    node: str
    interface: str
    mac: str
    address: IPv4Interface
    switch: str
    port: str
    port_mac: str


@dataclass(frozen=True, slots=True)
class Switch:
    """A learning bridge in the fabric; `bridge` is its interface name there."""

    name: str
    bridge: str
    mac: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A firewall rule of one node.

    `nft` is the rule in nft's own words (what `plan --commands` shows). What the kernel is told is
    `chain` (a base chain's hook, "output"), then `matches`, then a counter, then `verdict`. A match is
    ("protocol", the transport's name) or ("tcp-flag", a flag that must be set); all of them must hold.
    """

    name: str
    why: str
    chain: str
    nft: str
    matches: tuple[tuple[str, str], ...]
    verdict: str


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """All that makes one node; `files` are those that only it sees (path → text).

    `sysctls` are its kernel's parameters (key → value), written when its interfaces are there and down. As in
    sysctl.d(5), a key that begins with "-" is passed over by a kernel that does not have it.
    `image` is the container image in whose file system its commands run; None: the backend's own.
    """

    name: str
    ports: tuple[Port, ...]
    files: tuple[tuple[str, str], ...]
    sysctls: tuple[tuple[str, str], ...]
    rules: tuple[Rule, ...] = ()
    services: tuple[Service, ...] = ()
    image: str | None = None

    @property
    def address(self) -> IPv4Address:
        """The node's first address."""
        return self.ports[0].address.ip


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole lab; nodes and switches in the order of the file.

    `backend` makes the nodes, and decides nothing else: wires, numbers and files are the same in all.
    """

    name: str
    seed: int
    switches: tuple[Switch, ...]
    nodes: tuple[PlannedNode, ...]
    backend: str = DEFAULT_BACKEND

    def node(self, name: str) -> PlannedNode:
        """Return the node of that name; KeyError where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    @property
    def ports(self) -> tuple[Port, ...]:
        """Every port of every node, in order."""
        return tuple(port for node in self.nodes for port in node.ports)
