"""What was asked for: the validated topology, as frozen data in its long form.

Its counterpart is `netlab.plan.model`, what will exist. Every value here is either the
user's own or a stated default; nothing in it depends on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from netlab.errors import Place
from netlab.topology.given import Config, Provisions, Startup
from netlab.topology.recordings import Capture
from netlab.topology.rules import Filter, Nat, RawRules
from netlab.topology.vocabulary import DEFAULT_BACKEND
from netlab.topology.wires import Wire

DEFAULT_SEED = 2012
LEAST_MTU_IPV6 = 1280  # bytes, RFC 8200, section 5


@dataclass(frozen=True, slots=True)
class Network:
    """A segment; its nodes' addresses lie in `subnet` and `subnet6`, of which it has at least one.

    `kind` is one of `vocabulary.NETWORK_KINDS`; `mtu` is in bytes, None: Ethernet's 1500.
    """

    name: str
    subnet: IPv4Network | None
    subnet6: IPv6Network | None = None
    mtu: int | None = None
    kind: str = "switch"


@dataclass(frozen=True, slots=True)
class Interface:
    """A node's attachment to a network; `name` is eth0, eth1, … in the order of the file.

    It has an address for each subnet that the network has. `mac` is None where the plan is to choose it; one
    that is not `up` has its addresses all the same, and carries nothing. `wire`: its cable's impairments.
    """

    name: str
    network: str
    address: IPv4Address | None
    address6: IPv6Address | None = None
    mac: str | None = None
    up: bool = True
    wire: Wire | None = None


@dataclass(frozen=True, slots=True)
class GivenRoute:
    """A route by hand: both are of the same family; a default route's destination is 0.0.0.0/0 or ::/0."""

    destination: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record in presentation form (RFC 1035, section 5.1); `ttl` is None for a server's own."""

    owner: str
    type: str
    rdata: str
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    """A DNS zone; `origin` is absolute, without the final dot unless it is the root, ".".

    SOA and NS are completed by the loader. `source` is the zone file that it was read from, if it was.
    """

    origin: str
    records: tuple[Record, ...]
    source: Path | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class DnsService:
    """A DNS server on port 53, UDP and TCP: authoritative for its zones, which `dnssec` signs as it starts.

    What it does not know it asks of the servers `forward`, nodes by name or addresses, or, `recursive`, of
    the servers of the zones, beginning with the nodes `root`. The plan makes these addresses and `hints`,
    and names the signed zones whose keys it is to be told, `anchors`.
    """

    zones: tuple[Zone, ...] = ()
    engine: str = "builtin"
    forward: tuple[str, ...] = ()
    recursive: bool = False
    root: tuple[str, ...] = ()
    dnssec: bool = False
    config: Config | None = None
    hints: tuple[Record, ...] = ()
    anchors: tuple[str, ...] = ()
    kind: str = field(default="dns", init=False)

    @property
    def called(self) -> str:
        """What messages and its log call it."""
        return self.kind


@dataclass(frozen=True, slots=True)
class HttpService:
    """An HTTP/1.1 server; `content` is the absolute path of the directory that it serves.

    With `https` it serves the same on port 443, under the `names` and addresses that the plan finds for it.
    """

    content: Path
    port: int = 80
    engine: str = "builtin"
    https: bool = False
    config: Config | None = None
    names: tuple[str, ...] = ()
    kind: str = field(default="http", init=False)

    @property
    def called(self) -> str:
        """What messages and its log call it."""
        return self.kind


@dataclass(frozen=True, slots=True)
class ExecService:
    """A command that goes on for as long as the lab: ready as a start-up command is, or once it runs.

    `restart` is one of `vocabulary.RESTARTS`; `stop`, one of STOP_SIGNALS, asks it to end when the lab does.
    """

    name: str
    startup: Startup
    restart: str = "never"
    stop: str = "TERM"
    engine: str = field(default="exec", init=False)
    kind: str = field(default="exec", init=False)

    @property
    def called(self) -> str:
        """What messages call it."""
        return f"exec {self.name}"


Service = DnsService | HttpService | ExecService


@dataclass(frozen=True, slots=True)
class Node:
    """A host of the lab; `firewall` holds rules, and names of rules from `netlab.plan.rules`.

    One that is a `router` forwards. `routes` are those given by hand; `netlab.plan.routes` computes one for
    every network that they leave out, unless `only_given`.
    `image` is the container image whose programs it runs; None: netlab's own, or the machine's programs.
    """

    name: str
    interfaces: tuple[Interface, ...]
    services: tuple[Service, ...] = ()
    firewall: tuple[str | Filter, ...] = ()
    image: str | None = None
    router: bool = False
    routes: tuple[GivenRoute, ...] = ()
    only_given: bool = False
    nat: Nat | None = None
    nft: RawRules | None = None
    provisions: Provisions = field(default_factory=Provisions)


@dataclass(frozen=True, slots=True)
class Topology:
    """A whole file.

    `resolver` names the node whose address goes into every node's resolv.conf (None: no DNS);
    `search` is that file's search domain. `backend` is one of `vocabulary.BACKENDS`. `places` maps a
    node's name, and with ".image" behind it that of its image, with ".http" a service and with ".http.port"
    a key of it, to where it stands in the file, for errors that are found later than here.
    `time_limit` are the seconds after which a command is ended.
    """

    name: str
    seed: int
    networks: tuple[Network, ...]
    nodes: tuple[Node, ...]
    resolver: str | None = None
    search: str = "lab.test"
    backend: str = DEFAULT_BACKEND
    source: Path | None = None
    time_limit: int | None = None
    captures: tuple[Capture, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)

    def node(self, name: str) -> Node:
        """Return the node of that name; KeyError where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
