"""The dictionary of the topology language: every mapping of a file, its keys, what fits under each, and what it means.

What reads files takes its keys from here; `netlab.report.schema` and `netlab.report.reference` tell the whole of it.
A new key is one more `Key` in the section that it belongs to.
"""

from __future__ import annotations

from netlab.topology.language import patterns
from netlab.topology.language.networks import INTERFACE, NETWORK, NETWORKS
from netlab.topology.language.nodes import KINDS, NODE, NODES
from netlab.topology.language.policies import CAPTURE, CAPTURES, NAT, RULE, SELECTION
from netlab.topology.language.provisions import FILE, LIMITS, READY, START
from netlab.topology.language.services import DNS, HTTP, RECORDS, SERVICE_KEYS, SERVICES
from netlab.topology.language.shapes import Key, OneOf, Section, Text, Whole
from netlab.topology.model import DEFAULT_SEED
from netlab.topology.vocabulary import BACKENDS, DEFAULT_BACKEND, DEFAULT_SEARCH, SEEDS, TIME_LIMITS

__all__ = [
    "CAPTURE",
    "DNS",
    "FILE",
    "HTTP",
    "INTERFACE",
    "LIMITS",
    "NAT",
    "NETWORK",
    "NODE",
    "READY",
    "RECORDS",
    "RULE",
    "SELECTION",
    "SERVICES",
    "SERVICE_KEYS",
    "START",
    "TOPOLOGY",
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
    services: {dns: {zones: {lab.test: {www: 10.1.0.80}}}}
  web:
    interfaces: {lab: 10.1.0.80}
    services: {http: {content: www}}
""",
)
