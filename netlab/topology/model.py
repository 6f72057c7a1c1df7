"""What was asked for: the validated topology, as frozen data in its long form.

Its counterpart is `netlab.plan.model`, what will exist. Every value here is either the
user's own or a stated default; nothing in it depends on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from netlab.errors import Place
from netlab.topology.vocabulary import DEFAULT_BACKEND

DEFAULT_SEED = 2012


@dataclass(frozen=True, slots=True)
class Network:
    """A switched segment; its nodes' addresses lie in `subnet`."""

    name: str
    subnet: IPv4Network


@dataclass(frozen=True, slots=True)
class Interface:
    """A node's attachment to a network; `name` is eth0, eth1, … in the order of the file."""

    name: str
    network: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record in presentation form (RFC 1035, section 5.1)."""

    owner: str
    type: str
    rdata: str


@dataclass(frozen=True, slots=True)
class Zone:
    """A DNS zone; `origin` is absolute, without the final dot. SOA and NS are completed by the loader."""

    origin: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class DnsService:
    """An authoritative DNS server on port 53, UDP and TCP."""

    zones: tuple[Zone, ...]
    engine: str = "builtin"
    kind: str = field(default="dns", init=False)


@dataclass(frozen=True, slots=True)
class HttpService:
    """An HTTP/1.1 server; `content` is the absolute path of the directory that it serves."""

    content: Path
    port: int = 80
    engine: str = "builtin"
    kind: str = field(default="http", init=False)


Service = DnsService | HttpService


@dataclass(frozen=True, slots=True)
class Node:
    """A host of the lab; `firewall` holds the names of rules from `netlab.plan.rules`.

    `image` is the container image whose programs it runs; None: netlab's own, or the machine's programs.
    """

    name: str
    interfaces: tuple[Interface, ...]
    services: tuple[Service, ...] = ()
    firewall: tuple[str, ...] = ()
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """A whole file.

    `resolver` names the node whose address goes into every node's resolv.conf (None: no DNS);
    `search` is that file's search domain. `backend` is one of `vocabulary.BACKENDS`. `places` maps a
    node's name, and with ".image" behind it that of its image, to where it stands in the file, for errors
    that are found later than here.
    """

    name: str
    seed: int
    networks: tuple[Network, ...]
    nodes: tuple[Node, ...]
    resolver: str | None = None
    search: str = "lab.test"
    backend: str = DEFAULT_BACKEND
    source: Path | None = None
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)

    def node(self, name: str) -> Node:
        """Return the node of that name; KeyError where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
