"""The closed sets of words, and the bounds, of the topology language.

Its keys, and where these words stand, are in `netlab.topology.language`.
"""

from __future__ import annotations

# What nodes are made of: network namespaces, or containers. `netlab.backends` says how.
BACKENDS = ("netns", "docker")
DEFAULT_BACKEND = "netns"
# In the others, a node's programs are the machine's own.
BACKENDS_WITH_IMAGES = ("docker",)

ENGINES = {
    "dns": ("builtin",),
    "http": ("builtin",),
}

# Kind → what it does with a frame.
NETWORK_KINDS = {
    "switch": "learns who is where, and sends a frame there alone",
    "hub": "sends every frame to everyone else",
    "link": "a cable between exactly two nodes",
}

DEFAULT_SEARCH = "lab.test"
DEFAULT_NETWORK = ("lan", "10.0.0.0/24")

# Record type → what its value looks like, for hints.
RECORD_TYPES = {
    "A": "an IPv4 address, as 10.0.0.80",
    "AAAA": "an IPv6 address, as fd00::80",
    "CNAME": "the name it stands for, as web",
    "MX": "a preference and a mail server, as 10 mail",
    "NS": "the name of a name server, as dns",
    "PTR": "an absolute name, as www.lab.test.",
    "SOA": "server, mailbox and five numbers, as dns hostmaster 1 3600 600 86400 300",
    "TXT": "any text, as hello from the lab",
}

# Name → what it does, in a sentence; `netlab.plan.rules` says how.
FIREWALL_RULES = {
    "hold-back-rst": "Drops the RST that the node's own kernel would send for a connection it does not know.",
}

# Bounds of numbers, both included.
SEEDS = (0, 2**64 - 1)
PORTS = (1, 65535)
MTUS = (68, 65535)  # bytes: RFC 791, section 3.2; what a veth takes
COUNTS = (1, 1023)  # the ports of one switch: more would be on no network that there can be
TIME_LIMITS = (1, 24 * 3600)  # seconds
READY_WITHIN = (1, 600)  # seconds
PROCESSES = (1, 100_000)
OPEN_FILES = (8, 1 << 20)  # with fewer, a program cannot even begin
# Bytes of a packet: less than Ethernet's header could not be told what it was.
SNAPS = (14, 65535)
