"""The words of nodes."""

from __future__ import annotations

from netlab.topology.language import patterns
from netlab.topology.language.networks import ADDRESS, ADDRESS6, INTERFACES
from netlab.topology.language.policies import FIREWALL, NAT
from netlab.topology.language.provisions import ENVIRONMENT, FILES, LIMITS, STARTS, SYSCTLS
from netlab.topology.language.services import SERVICES
from netlab.topology.language.shapes import ByName, Key, Section, Text, Truth, Whole
from netlab.topology.language.wires import WIRE
from netlab.topology.vocabulary import COUNTS

_GATEWAY = Text("a router, or its address", "r1")

NODE = Section(
    name="node",
    title="A node",
    about="A host of the lab; left empty, it has one interface on the only network.",
    keys=(
        Key(
            "address",
            ADDRESS,
            "Its IPv4 address, where there is one network; short for `interfaces`.",
            otherwise="the lowest that is free",
            example="10.0.0.10",
        ),
        Key(
            "address6", ADDRESS6, "The same in IPv6.", otherwise="the lowest that is free", example="fd00::10"
        ),
        Key(
            "interfaces",
            INTERFACES,
            "The networks that it is on, and with which address; eth0, eth1, … in this order.",
            otherwise="one, on the only network",
            example={"lan": "10.0.0.10"},
        ),
        Key(
            "wire",
            WIRE,
            "What becomes of the packets on its cable, where there is one network; short for `interfaces`.",
            otherwise="they go on as they are",
        ),
        Key(
            "router", Truth(), "Whether it passes on what is not for itself, in IPv4 and IPv6.", default=False
        ),
        Key(
            "default",
            _GATEWAY,
            "Its only route; `none`: it knows no way but to its own networks.",
            otherwise="computed",
            example="r1",
        ),
        Key(
            "routes",
            ByName(Text("a network or subnet", "10.2.0.0/24"), _GATEWAY, or_empty=False),
            "The ways to other networks.",
            otherwise="computed",
            example={"10.2.0.0/24": "r1"},
        ),
        Key("services", SERVICES, "The servers that it runs.", otherwise="none"),
        Key(
            "firewall",
            FIREWALL,
            "What it lets through: names of rules, and rules in words.",
            otherwise="everything",
            example=["hold-back-rst"],
        ),
        Key("nat", NAT, "What it translates, as a router.", otherwise="nothing"),
        Key(
            "nft",
            Text("rules in nft's language", "table inet mine { }", patterns.NOT_BLANK),
            "Anything else, in nft's own language, which the machine's nft reads.",
            otherwise="none",
        ),
        Key(
            "image",
            Text("an image", "nginx:1.25", patterns.IMAGE),
            "The container image whose programs it has, with `backend: docker` alone.",
            otherwise="netlab's own",
            example="nginx:1.25",
        ),
        Key(
            "environment",
            ENVIRONMENT,
            "Variables of every command, script and start-up command; they win over the caller's.",
            otherwise="none",
            example={"COLOUR": "blue"},
        ),
        Key(
            "sysctls",
            SYSCTLS,
            "Kernel parameters, below `net.` alone, written after netlab's own.",
            otherwise="none",
            example={"net.ipv4.tcp_syncookies": 0},
        ),
        Key("files", FILES, "Files that it alone sees.", otherwise="none", example={"/etc/motd": "Welcome."}),
        Key("start", STARTS, "Commands that run before the lab is ready.", otherwise="none"),
        Key("limits", LIMITS, "What each of its commands may use.", otherwise="no limit"),
        Key(
            "kind",
            Text("one of `kinds`", "guest"),
            "The kind that it takes keys over from.",
            otherwise="none",
        ),
        Key(
            "count",
            Whole(*COUNTS),
            "How many there are of it: NAME-1, NAME-2, …; each has the address after the one before it.",
            otherwise="one, NAME",
            example=3,
        ),
    ),
    unless="kind",
    counted=True,
    example="""\
networks: {left: , right: }
nodes:
  pc: {interfaces: {left: }}
  r1: {router: true, interfaces: {left: 10.0.0.1, right: }}
  far: {interfaces: {right: }, default: r1}
  other:
    interfaces: {right: }
    routes: {left: r1, 10.9.0.0/16: r1}
    sysctls: {net.ipv4.tcp_syncookies: 0}
    environment: {COLOUR: blue}
    nft: |
      table inet mine {
        chain in { type filter hook input priority 10; ip ttl < 5 drop; }
      }
""",
    notes="""\
Routes that nobody writes are computed: every node gets one to each network that routers join to it, the
shortest way, and of two that are as short by the router that stands first in the file. `default` and `routes`
take the place of those that they cover (a router's `default` of none). A packet that is passed on stands in
the trace once for each network, and says where it came in (`at r1.1`). The whole of it, with IPv6:
[two-routers.yaml](two-routers.yaml).

In the texts of a node that has a `count`, `{n}` is its number (quoted where it stands alone: `"{n}"`).
A hundred nodes out of one entry: [star-100.yaml](star-100.yaml).""",
)
NODES = ByName(Text("a node", "client", patterns.NODE_NAME), NODE, least=1)
KINDS = ByName(Text("a kind", "guest"), NODE, partial=True)
