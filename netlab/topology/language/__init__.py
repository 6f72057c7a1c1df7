"""The dictionary of the topology language: every mapping of a file, its keys, what fits there, what it means.

What reads files takes its keys from here; `netlab.report.schema` and `netlab.report.reference` tell all of
it. A new key is one more `Key` in the section that it belongs to.
"""

from __future__ import annotations

from netlab.topology.language import patterns
from netlab.topology.language.networks import INTERFACE, NETWORK, NETWORKS
from netlab.topology.language.nodes import KINDS, NODE, NODES
from netlab.topology.language.policies import CAPTURE, CAPTURES, NAT, RULE, SELECTION
from netlab.topology.language.provisions import FILE, LIMITS, READY, START
from netlab.topology.language.services import DNS, EXEC, HTTP, RECORDS, SERVICE_KEYS, SERVICES
from netlab.topology.language.shapes import Key, Note, OneOf, Section, Text, Whole
from netlab.topology.language.wires import BURST, WAY, WIRE
from netlab.topology.model import DEFAULT_SEED
from netlab.topology.vocabulary import BACKENDS, DEFAULT_BACKEND, DEFAULT_SEARCH, SEEDS, TIME_LIMITS

__all__ = [
    "BURST",
    "CAPTURE",
    "DNS",
    "EXEC",
    "FILE",
    "HTTP",
    "INTERFACE",
    "LIMITS",
    "MERGING",
    "NAT",
    "NETWORK",
    "NODE",
    "NOTES",
    "READY",
    "RECORDS",
    "RULE",
    "SECTIONS",
    "SELECTION",
    "SERVICES",
    "SERVICE_KEYS",
    "SPELLING",
    "START",
    "TOPOLOGY",
    "WAY",
    "WIRE",
]

TOPOLOGY = Section(
    name="topology",
    title="The whole file",
    about="Only `nodes` must be there.",
    keys=(
        Key(
            "name",
            Text("a name", "campus", patterns.NAME),
            "The lab's name, which its record's directory has too.",
            otherwise="the file's own name",
        ),
        Key("seed", Whole(*SEEDS), "Decides every number that is ours to choose.", default=DEFAULT_SEED),
        Key(
            "time-limit",
            Whole(*TIME_LIMITS),
            "Seconds for each command of `netlab run` and `netlab exec`.",
            otherwise="none",
            example=60,
        ),
        Key(
            "backend",
            OneOf(BACKENDS, "backend"),
            "What nodes are: network namespaces, or containers (docker).",
            default=DEFAULT_BACKEND,
        ),
        Key(
            "search",
            Text("a domain", "lab.test", patterns.DOMAIN),
            "The search domain in every node's /etc/resolv.conf.",
            default=DEFAULT_SEARCH,
        ),
        Key(
            "resolver",
            Text("a node", "ns"),
            "The name server there, which every node must be able to reach; `none`: there is none.",
            otherwise="the first node with a dns service",
            example="ns",
        ),
        Key("captures", CAPTURES, "Recordings of some packets, apart.", otherwise="none"),
        Key(
            "networks",
            NETWORKS,
            "What nodes are on.",
            otherwise="`lan`, 10.0.0.0/24",
            example={"lan": "10.0.0.0/24"},
        ),
        Key("nodes", NODES, "The hosts of the lab.", example={"client": None}),
        Key(
            "kinds",
            KINDS,
            "What several nodes have in common: keys of any node, under a name.",
            otherwise="none",
        ),
        Key(
            "extends",
            Text("a file", "web.yaml"),
            "A file beside this one: all of it but its name holds here, and what this one says wins.",
            otherwise="none",
            example="web.yaml",
        ),
    ),
    required=("nodes",),
    unless="extends",
    example="""\
name: campus
seed: 7
search: lab.test
networks: {lan: 10.0.0.0/24, lab: 10.1.0.0/24}
nodes:
  pc:
    interfaces: {lan: 10.0.0.7}
    firewall: [hold-back-rst]
  ns:
    interfaces: {lan: , lab: }
    router: true
    services: {dns: {zones: {lab.test: {www: 10.1.0.80}}}}
  web:
    interfaces: {lab: 10.1.0.80}
    services: {http: {content: www}}
""",
)

# In the order of the reference.
SECTIONS: tuple[Section, ...] = (
    *(TOPOLOGY, NETWORK, NODE, INTERFACE, WIRE, WAY, BURST, SERVICES, DNS, RECORDS, HTTP, EXEC),
    *(RULE, NAT, FILE, START, READY, LIMITS, CAPTURE, SELECTION),
)

MERGING = Note(
    "What several nodes, or several files, have in common",
    """\
It is said once: in a file that others extend, or in a kind. Mappings merge key by key, at any depth; lists
and single values are replaced. A key left empty says nothing, `null` takes away what was there: a node that
is `null` is gone, and one that is left empty (`web:`) stays as it was. A node's own keys win over those of
its kind, a kind's over those of the kind that it is of itself, and a file's over those of the file that it
extends. Paths start from the file that they stand in.""",
    (
        """\
kinds:
  guest:
    firewall: [hold-back-rst]
    services: {http: {content: www}}
nodes:
  guest:
    kind: guest
    count: 3                             # guest-1, guest-2 and guest-3
    address: 10.0.0.21                   # guest-1's; the others have those after it
    services: {http: {port: 8080}}       # and the kind's content
  host:
    kind: guest
    firewall: null                       # none
""",
        """\
extends: web.yaml
nodes:
  client: {address: 10.0.0.9}            # all else of it stays
  web: null                              # there is none here
""",
    ),
)
SPELLING = Note(
    "YAML",
    """\
A file is one YAML document in UTF-8, of at most 1 MiB. Anchors, aliases and merge keys (`<<: *name`) work.
What YAML takes for a number, a date, true or false is no text: quote it where a text is meant (`"10"`,
`"no"`), and so with what only YAML 1.2, which editors read, takes for a number (`1e3`, `0o17`, `08`). Numbers
are plain and decimal. Keys need no quotes but for YAML's own signs (`"@"`, `"*"`).""",
    (
        """\
nodes:
  a: &host
    firewall: [hold-back-rst]
  b:
    <<: *host
    address: 10.0.0.9
""",
    ),
)
NOTES = (MERGING, SPELLING)
