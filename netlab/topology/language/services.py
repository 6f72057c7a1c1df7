"""The words of a node's services, and of the zones of its DNS server."""

from __future__ import annotations

from dataclasses import replace

from netlab.topology.language import patterns
from netlab.topology.language.networks import ADDRESS
from netlab.topology.language.provisions import START
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
    Truth,
    Whole,
)
from netlab.topology.vocabulary import ENGINES, PORTS, RECORD_TYPES, RESTARTS

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

_ENGINES_NOTE = """\
The other engines are the machine's own servers, run unmodified as the user (in containers, those of the
node's own `image:`, which needs a shell); `netlab plan --files` shows what they are given, and
`--engine {kind}={engine}` takes one for a single run. With `config:` a server starts in the directory of the
other generated files, whose paths are the same in every run."""
_CONFIG = Text("a file", "my-server.conf")
_SERVER = Text("a node or an address", "ns")
_ROOT = Text("a node", "ns")

DNS = Section(
    name="dns",
    title="The dns service",
    about="""\
A name server on port 53, UDP and TCP: authoritative for its zones. It has zones, or others whom it asks.""",
    keys=(
        Key("engine", OneOf(ENGINES["dns"], "engine"), "The program that answers.", default="builtin"),
        Key(
            "zones",
            ZONES,
            "What it answers for. What a zone lacks is filled in: SOA, NS, and the server's own address.",
            otherwise="none, where it asks others",
            example={"lab.test": {"www": "10.0.0.80"}},
        ),
        Key(
            "forward",
            Either((_SERVER, ListOf(_SERVER))),
            "Whom it asks for all else, by node or address (bind9, dnsmasq).",
            otherwise="nobody",
            example="ns",
        ),
        Key(
            "recursive",
            Truth(),
            "Whether it asks for all else from the root down (bind9).",
            default=False,
        ),
        Key(
            "root",
            Either((_ROOT, ListOf(_ROOT))),
            "The nodes with which a recursive server begins.",
            otherwise='those that serve the zone `"."`',
            example="ns",
        ),
        Key(
            "dnssec",
            Truth(),
            "Whether its zones are signed, with keys made as the lab starts (bind9).",
            default=False,
        ),
        Key(
            "config",
            _CONFIG,
            "A file beside this one, in the place of the generated configuration (bind9, dnsmasq).",
            otherwise="generated",
            example="my-server.conf",
        ),
    ),
    any_of=("zones", "forward", "recursive"),
    notes=_ENGINES_NOTE.format(kind="dns", engine="bind9")
    + """

Servers above a signed zone vouch for it where they are signed themselves, and recursive ones are told the
keys of the others: [dns-tree.yaml](dns-tree.yaml). A zone is signed by one node. dnsmasq knows no
delegations, no root zone, no wildcards but of addresses, and one TTL for all.

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
  near: {services: {dns: {engine: dnsmasq, forward: [ns]}}}
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
        Key("https", Truth(), "Whether it serves the same on port 443, over TLS (caddy).", default=False),
        Key(
            "config",
            _CONFIG,
            "A file beside this one, in the place of the generated configuration (nginx, caddy).",
            otherwise="generated",
            example="my-server.conf",
        ),
    ),
    required=("content",),
    notes=_ENGINES_NOTE.format(kind="http", engine="nginx")
    + """

HTTPS is served under all names of the node. The authority of its certificates is made for the run, and
believed by `curl`, OpenSSL and Python in all nodes. Caddy comes with `pip install 'netlab-l4[caddy]'`.""",
    example="""\
nodes:
  client:
  web:
    services:
      http: {content: www, port: 8080}
""",
)

EXEC = Section(
    name="exec",
    title="An exec service",
    about="A command that goes on for as long as the lab.",
    keys=(
        *(key for key in START.keys if key.name == "run"),
        *(replace(key, otherwise="it runs") for key in START.keys if key.name == "ready"),
        *(key for key in START.keys if key.name == "within"),
        Key(
            "restart",
            OneOf(RESTARTS, "policy"),
            "Whether it is started again when it has ended.",
            default="never",
        ),
        Key(
            "stop",
            Text("a signal", "INT", patterns.SIGNAL),
            "What asks it to end with the lab.",
            default="TERM",
        ),
    ),
    required=("run",),
    notes="""\
It runs in the node's environment, without its limits, in `/`, after the node's other services. What it writes
is in `logs/NODE.NAME.log`.""",
    example="""\
nodes:
  client:
  web:
    services:
      exec:
        echo:
          run: python3 -m http.server 8080
          ready: {port: 8080}
          restart: on-failure
          stop: INT
""",
)
EXECS = ByName(Text("a service", "echo", patterns.NAME), EXEC, or_empty=False)

SERVICES = Section(
    name="services",
    title="Services of a node",
    about="""\
Servers, by name. What they say is in the record's `logs/`; one that fails before its lab ends is told.""",
    keys=(
        Key("dns", DNS, "A name server. The first node with one is every node's `resolver`."),
        Key("http", HTTP, "A web server."),
        Key("exec", EXECS, "Any commands, each under a name.", otherwise="none"),
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
# Service → its keys; of each of several, where they have names.
SERVICE_KEYS = {"dns": DNS.names, "http": HTTP.names, "exec": EXEC.names}
