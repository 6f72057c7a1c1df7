"""What will exist: every name, number, file and rule, decided before the machine is touched.

Its counterpart is `netlab.topology.model`, what was asked for. Same topology and seed, same plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from netlab.plan.names import link_local
from netlab.topology.given import Provisions
from netlab.topology.model import Service
from netlab.topology.recordings import Capture
from netlab.topology.rules import RawRules
from netlab.topology.vocabulary import DEFAULT_BACKEND
from netlab.topology.wires import Wire

# The ports that a node's kernel gives out (ip_local_port_range). The labs' own draw from RFC 6335's
# dynamic ports, 49152–65535: so a port tells whether a seed or a kernel chose it.
KERNEL_PORTS = range(32768, 49152)

# Every node's routes carry it: RFC 6298, section 2.4, asks for a second, Linux takes 200 ms. With a
# second, a slow script does not provoke retransmissions, and a trace is the same on any machine.
RTO_MIN_MS = 1000


@dataclass(frozen=True, slots=True)
class Port:
    """A node's interface and its other end, a port of a switch, which stands in the fabric.

    `mac` is the node's, `port_mac` the switch port's. `port` is at most 15 bytes (IFNAMSIZ). It has an
    address of at least one version. `mtu` is in bytes, None: the kernel's own, 1500. One that is not `up` has
    its addresses, and carries nothing. `wire` is its cable's impairments, with their seed.
    """

    node: str
    interface: str
    mac: str
    address: IPv4Interface | None
    switch: str
    port: str
    port_mac: str
    address6: IPv6Interface | None = None
    mtu: int | None = None
    up: bool = True
    wire: Wire | None = None

    @property
    def addresses(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """Its addresses with their prefixes, that of IPv4 first."""
        return tuple(one for one in (self.address, self.address6) if one is not None)


@dataclass(frozen=True, slots=True)
class Switch:
    """A bridge in the fabric; `bridge` is its interface name there.

    It is a network of any kind; one that is no "switch" does not learn, and so sends a frame to all others.
    """

    name: str
    bridge: str
    mac: str
    kind: str = "switch"


@dataclass(frozen=True, slots=True)
class Route:
    """A way to a destination that is not a node's own network, by a gateway that is on one of these."""

    destination: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address
    interface: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of one node, of its firewall or of its address translation.

    `nft` is the rule in nft's own words (what `plan --commands` shows). What the kernel is told is
    `chain` (a base chain's hook, "output"), then `matches`, then a counter, then `verdict`. A match is
    a kind and a value, as ("protocol", "tcp") or ("tcp-flag", "rst"), a flag that must be set; all must hold.
    `netlab.kernel.firewall` has all kinds and verdicts. Rules of one name count together.
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
    A `router` forwards. `routes` are all but those to its own networks.
    `image` is the container image in whose file system its commands run; None: the backend's own.
    `provisions` are the file's own words; its sysctls are the last of `sysctls`.
    One that `trusts` takes the lab's own certificate authorities for those of the world.
    """

    name: str
    ports: tuple[Port, ...]
    files: tuple[tuple[str, str], ...]
    sysctls: tuple[tuple[str, str], ...]
    rules: tuple[Rule, ...] = ()
    services: tuple[Service, ...] = ()
    image: str | None = None
    nft: RawRules | None = None
    provisions: Provisions = field(default_factory=Provisions)
    router: bool = False
    routes: tuple[Route, ...] = ()
    trusts: bool = False

    @property
    def address(self) -> IPv4Address | IPv6Address:
        """The node's first address, one of IPv4 where it has any."""
        own = [one.ip for port in self.ports for one in port.addresses]
        return next((one for one in own if one.version == 4), own[0])

    @property
    def has_ipv6(self) -> bool:
        """Whether any of its networks has IPv6."""
        return any(port.address6 for port in self.ports)


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole lab; nodes and switches in the order of the file.

    `backend` makes the nodes, and decides nothing else: wires, numbers and files are the same in all.
    `time_limit` are the seconds after which a command is ended that has no other limit.
    """

    name: str
    seed: int
    switches: tuple[Switch, ...]
    nodes: tuple[PlannedNode, ...]
    backend: str = DEFAULT_BACKEND
    time_limit: int | None = None
    captures: tuple[Capture, ...] = ()

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

    @property
    def names(self) -> dict[str, str]:
        """Whose each address is, by its text, for captures; with the link-local ones where there is IPv6."""
        named = {str(one.ip): port.node for port in self.ports for one in port.addresses}
        return named | {link_local(port.mac): port.node for port in self.ports if port.address6}
