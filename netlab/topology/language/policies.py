"""The words of what a node lets through and translates, and of the recordings of some packets."""

from __future__ import annotations

from netlab.topology.language import patterns
from netlab.topology.language.shapes import ByName, Either, Key, ListOf, OneOf, Only, Section, Text, Whole
from netlab.topology.recordings import PROTOCOLS as RECORDED
from netlab.topology.rules import CHAINS, FLAGS, PROTOCOLS, STATES, VERDICTS, WITH_PORTS
from netlab.topology.vocabulary import FIREWALL_RULES, PORTS, SNAPS

_PEER = Text("an address, a subnet, or a node, which stands for all its addresses", "10.0.0.0/24")
_FLAG = OneOf(FLAGS, "flag")
_STATE = OneOf(STATES, "state")
_NETWORK = Text("a network", "lan")
_PORT = Whole(*PORTS)

RULE = Section(
    name="rule",
    title="A firewall rule in words",
    about="""\
The first rule that fits decides; what none fits is let through. What a rule leaves out means: any.""",
    keys=(
        Key(
            "name",
            Text("a name", "no-web", patterns.NAME),
            "Its name in `kernel.json`, which has how many packets it matched.",
            otherwise="what it does, as accept-forward-tcp-80",
        ),
        Key(
            "chain",
            OneOf(CHAINS, "chain"),
            "Packets for the node (input), from it (output), or through it (forward, on a router).",
            default=CHAINS[0],
        ),
        Key(
            "protocol",
            OneOf(PROTOCOLS, "protocol"),
            "The protocol above IP.",
            otherwise="any; tcp with `flags`",
        ),
        Key("from", _PEER, "Whose packets: their source.", otherwise="anyone's", example="10.0.0.0/24"),
        Key("to", _PEER, "To whom: their destination.", otherwise="to anyone", example="web"),
        Key("port", _PORT, "The destination's port; `protocol` is tcp or udp.", otherwise="any", example=80),
        Key(
            "source-port", _PORT, "The source's port; `protocol` is tcp or udp.", otherwise="any", example=53
        ),
        Key(
            "flags",
            Either((_FLAG, ListOf(_FLAG, 1))),
            "TCP flags that must be set (RFC 9293); others may be.",
            otherwise="any",
            example=["syn"],
        ),
        Key(
            "state",
            Either((_STATE, ListOf(_STATE, 1))),
            "Of the connection that the packet belongs to: one of these.",
            otherwise="any",
            example=["established", "related"],
        ),
        Key(
            "verdict",
            OneOf(VERDICTS, "verdict"),
            "What becomes of the packet; `reject` answers TCP with RST, anything else with ICMP.",
            example="drop",
        ),
    ),
    required=("verdict",),
    only=(
        Only("port", "protocol", WITH_PORTS, needed=True, implied_by="flags"),
        Only("source-port", "protocol", WITH_PORTS, needed=True, implied_by="flags"),
        Only("flags", "protocol", ("tcp",)),
    ),
    example="""\
nodes:
  web:
    firewall:
      - hold-back-rst
      - {protocol: tcp, port: 22, from: visitor, verdict: reject}
      - {protocol: tcp, flags: [syn], state: new, from: 10.0.0.0/24, verdict: accept, name: visitors}
  visitor:
""",
    notes="Rules that have a name:\n\n"
    + "\n".join(f"- `{name}`: {does[0].lower()}{does[1:]}" for name, does in FIREWALL_RULES.items()),
)
FIREWALL = ListOf(Either((OneOf(FIREWALL_RULES, "rule"), RULE)))

NAT = Section(
    name="nat",
    title="Address translation",
    about="Traditional NAT (RFC 3022) on a router, for IPv4. The whole of it: [nat.yaml](nat.yaml).",
    keys=(
        Key(
            "masquerade",
            Either((_NETWORK, ListOf(_NETWORK))),
            "The outside: what leaves there has the router's address there.",
            example="outside",
        ),
        Key(
            "forward",
            ByName(
                Text("a port of that address, or udp/ and a port", "80", patterns.FORWARDED),
                Text(
                    "who answers inside, a node or an address, and its port if that is another",
                    "web",
                    patterns.TARGET,
                ),
                or_empty=False,
            ),
            "Ports of that address, and who inside answers for them. `kernel.json` counts their connections.",
            otherwise="none",
            example={"80": "web"},
        ),
    ),
    required=("masquerade",),
    example="""\
networks: {inside: 10.0.0.0/24, outside: 192.0.2.0/24}
nodes:
  web: {interfaces: {inside: 10.0.0.80}}
  visitor: {interfaces: {outside: 192.0.2.99}}
  router:
    interfaces: {inside: 10.0.0.1, outside: 192.0.2.1}
    router: true
    nat:
      masquerade: outside
      forward: {80: web, udp/53: "10.0.0.80:5353"}
""",
)

SELECTION = Section(
    name="filter",
    title="What to record",
    about="All that is given must fit; `host` and `port` may stand at either end.",
    keys=(
        Key("protocol", OneOf(RECORDED, "protocol"), "The protocol.", otherwise="any"),
        Key(
            "host",
            Text("a node or an address", "web"),
            "Who sends or gets it.",
            otherwise="anyone",
            example="web",
        ),
        Key("port", Whole(0, 65535), "A port of tcp or udp.", otherwise="any", example=80),
    ),
    only=(Only("port", "protocol", WITH_PORTS),),
    example="""\
captures:
  pages: {filter: {protocol: tcp, host: web, port: 80}}
nodes: {client: , web: }
""",
)

CAPTURE = Section(
    name="capture",
    title="A recording of some packets",
    about="""\
A file beside `capture.pcapng`, which has them all: `pages` is recorded to `pages.pcapng`, from before the
first packet. What is left out means: all. What a wire did, netlab reads in both; Wireshark shows it in
`capture.pcapng` alone.""",
    keys=(
        Key(
            "networks",
            Either((_NETWORK, ListOf(_NETWORK))),
            "The networks that it records.",
            otherwise="all",
            example=["lan"],
        ),
        Key("filter", SELECTION, "Which packets.", otherwise="all"),
        Key("snap", Whole(*SNAPS), "How many bytes of each packet.", otherwise="all of it", example=96),
    ),
    example="""\
captures:
  pages:
    networks: [lan]
    filter: {protocol: tcp, port: 80}
    snap: 96
nodes: {client: , web: }
""",
)
CAPTURES = ByName(Text("a recording", "pages", patterns.CAPTURE_NAME), CAPTURE)
