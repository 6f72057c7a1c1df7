"""The words of a node's services, and of the zones of its DNS server."""

from __future__ import annotations

from netlab.topology.language import patterns
from netlab.topology.language.networks import ADDRESS
from netlab.topology.language.shapes import (
    ByName,
    Either,
    Key,
    ListOf,
    OneOf,
    Section,
    Shape,
    Single,
    Text,
    Whole,
)
from netlab.topology.vocabulary import ENGINES, PORTS, RECORD_TYPES

_DATA_PATTERNS = {"A": patterns.IPV4, "AAAA": patterns.IPV6}
_RECORDS_MEAN = {
    "A": "Where the name is, in IPv4.",
    "AAAA": "Where the name is, in IPv6.",
    "CNAME": "The name is another one's, and has no data of its own.",
    "MX": "Who takes its mail; the lowest preference first.",
    "NS": "Who answers for the zone, or for one below it.",
    "PTR": "The name of an address, in a zone of addresses.",
    "SOA": "The beginning of a zone.",
    "TXT": "What somebody wants to say.",
}


def _data(kind: str) -> Shape:
    """Return what fits under a record type: one, or a list."""
    what, _, like = RECORD_TYPES[kind].partition(", as ")
    one = Single(what) if kind == "TXT" else Text(what, like, _DATA_PATTERNS.get(kind, ""))
    return Either((one, ListOf(one)))


RECORDS = Section(
    name="records",
    title="Records of a name",
    about="""\
An address alone is short for `{A: …}` or `{AAAA: …}`, and a list of addresses for several such records.""",
    keys=tuple(
        Key(kind, _data(kind), _RECORDS_MEAN.get(kind, means)) for kind, means in RECORD_TYPES.items()
    ),
    example="""\
nodes:
  ns:
    services:
      dns:
        zones:
          lab.test:
            "@": {MX: 10 mail, TXT: [one, two]}
            www: [10.0.0.80, "fd00::80"]
            mail: {A: [10.0.0.80, 192.0.2.25]}
            "*": {CNAME: www}
  web: {address: 10.0.0.80}
""",
    notes="""\
A name without a final dot is relative to its zone. Nothing may stand beside a CNAME (RFC 1034), and an SOA
stands under `"@"` alone. A text of TXT is cut where a character-string is full (255 octets); one in double
quotes of its own is left as it is.""",
    null_counts=True,
)

ZONE = ByName(
    Text("a name in it (`@` its own, `*` any other)", "www", patterns.OWNER),
    Either((ADDRESS, ListOf(ADDRESS), RECORDS)),
    or_empty=False,
)
ZONE_FILE = Text("the path of a zone file, beside this file", "zones/lab.test.zone")
ZONES = ByName(Text("a zone", "lab.test", patterns.ZONE), Either((ZONE, ZONE_FILE)), least=1)

DNS = Section(
    name="dns",
    title="The dns service",
    about="An authoritative name server on port 53, UDP and TCP.",
    keys=(
        Key("engine", OneOf(ENGINES["dns"], "engine"), "The program that answers.", default="builtin"),
        Key(
            "zones",
            ZONES,
            "What it answers for. What a zone lacks is filled in: SOA, NS, and the server's own address.",
            example={"lab.test": {"www": "10.0.0.80"}},
        ),
    ),
    required=("zones",),
    notes="""\
A zone may be a standard zone file (RFC 1035, section 5) instead: `lab.test: zones/lab.test.zone`, beside this
file. It has any type of record, and TTLs; `$INCLUDE` and `$GENERATE` are refused. It is completed like a map.
A name server in a zone of the lab has an address of a node; an address within the lab's own subnets is
one that a node has, and any other may be anyone's.""",
    example="""\
nodes:
  client:
  ns:
    services:
      dns:
        zones:
          lab.test: {www: 10.0.0.80, web: {CNAME: www}}
          0.0.10.in-addr.arpa: {"80": {PTR: www.lab.test.}}
  web: {address: 10.0.0.80}
""",
)

HTTP = Section(
    name="http",
    title="The http service",
    about="An HTTP/1.1 server.",
    keys=(
        Key("engine", OneOf(ENGINES["http"], "engine"), "The program that answers.", default="builtin"),
        Key(
            "content",
            Text("a directory", "www"),
            "The directory that it serves, beside the file.",
            example="www",
        ),
        Key("port", Whole(*PORTS), "The TCP port that it listens on.", default=80),
    ),
    required=("content",),
    example="""\
nodes:
  client:
  web:
    services:
      http: {content: www, port: 8080}
""",
)

SERVICES = Section(
    name="services",
    title="Services of a node",
    about="""\
Servers, by name. What they say is in the record's `logs/`; one that fails before its lab ends is told.""",
    keys=(
        Key("dns", DNS, "A name server. The first node with one is every node's `resolver`."),
        Key("http", HTTP, "A web server."),
    ),
    null_counts=True,
    example="""\
nodes:
  client:
  server:
    services:
      dns: {zones: {lab.test: {www: 10.0.0.2}}}
      http: {content: www}
""",
)
# Service → its keys.
SERVICE_KEYS = {key.name: key.shape.names for key in SERVICES.keys if isinstance(key.shape, Section)}
