"""The words of networks, and of a node's interfaces on them."""

from __future__ import annotations

from netlab.topology.language import patterns
from netlab.topology.language.shapes import ByName, Either, Key, OneOf, Section, Text, Truth, Whole
from netlab.topology.language.wires import WIRE
from netlab.topology.vocabulary import MTUS, NETWORK_KINDS

_SUBNET = Text("a subnet", "10.0.0.0/24", patterns.SUBNET)
_SUBNET6 = Text("an IPv6 subnet", "fd00:1::/64", patterns.SUBNET6)
# Where a network has IPv6 alone, `address` is one of IPv6.
ADDRESS = Text("an address", "10.0.0.10", patterns.ADDRESS)
ADDRESS6 = Text("an IPv6 address", "fd00:1::10", patterns.IPV6)

NETWORK = Section(
    name="network",
    title="A network",
    about="""\
What nodes are on. A subnet alone is short for `{subnet: …}`; left empty, all of it is automatic.""",
    keys=(
        Key(
            "subnet",
            Either((_SUBNET, OneOf({"none": "no IPv4"}, "subnet"))),
            "Its IPv4 addresses, from /8 to /30; `none`: it has IPv6 alone.",
            otherwise="the lowest free of 10.0.0.0/24, 10.0.1.0/24, …",
            example="10.0.0.0/24",
        ),
        Key(
            "subnet6",
            Either((_SUBNET6, OneOf({"auto": "chosen", "none": "no IPv6"}, "subnet6"))),
            "Its IPv6 addresses, from /32 to /126; `auto`: the lowest free of fd00::/64, fd00:0:0:1::/64, ….",
            default="none",
            example="fd00:1::/64",
        ),
        Key(
            "mtu",
            Whole(*MTUS),
            "Bytes of an IP packet, at most; with IPv6 at least 1280 (RFC 8200).",
            otherwise="1500, Ethernet's",
            example=1400,
        ),
        Key(
            "kind",
            OneOf(NETWORK_KINDS, "kind of network"),
            "What joins the nodes: a switch, a hub (all hear all), a link (a cable between two of them).",
            default="switch",
        ),
    ),
    example="""\
networks:
  left: {subnet: 10.1.0.0/24, subnet6: fd00:1::/64, mtu: 1400}
  between: {kind: link, subnet6: auto}
  right: {subnet: none, subnet6: auto}
nodes:
  pc: {interfaces: {left: }}
  r1: {router: true, interfaces: {left: , between: }}
  r2: {router: true, interfaces: {between: , right: }}
  far: {interfaces: {right: }}
""",
    notes="In a lab of several nodes no network has but one, and a link has two.",
)

INTERFACE = Section(
    name="interface",
    title="An interface",
    about="A node's place on a network. An address alone is short for `{address: …}`.",
    keys=(
        Key(
            "address",
            ADDRESS,
            "Its IPv4 address; on a network of IPv6 alone, that one.",
            otherwise="the lowest that is free",
            example="10.0.0.10",
        ),
        Key(
            "address6",
            ADDRESS6,
            "Its IPv6 address, where the network has a `subnet6`.",
            otherwise="the lowest that is free",
            example="fd00:1::10",
        ),
        Key(
            "mac",
            Text("a MAC address", "02:00:00:00:00:0a", patterns.MAC),
            "Its MAC address, quoted: six pairs of digits are a number to some programs.",
            otherwise="made from the seed and the names",
            example="02:00:00:00:00:0a",
        ),
        Key(
            "up",
            Truth(),
            "Whether it carries anything; one that is down has its addresses all the same.",
            default=True,
        ),
        Key("wire", WIRE, "What becomes of the packets on its cable.", otherwise="they go on as they are"),
    ),
    example="""\
networks:
  lan: {subnet: 10.1.0.0/24, subnet6: auto}
nodes:
  pc:
    interfaces: {lan: {address: 10.1.0.7, address6: fd00::7, mac: "02:00:00:00:00:07"}}
  spare:
    interfaces: {lan: {up: false}}
  other:
    interfaces: {lan: 10.1.0.9}
""",
)

INTERFACES = ByName(Text("a network that it is on", "lan"), Either((ADDRESS, INTERFACE)), least=1)
NETWORKS = ByName(Text("a network", "lan", patterns.NAME), Either((_SUBNET, NETWORK)), least=1)
