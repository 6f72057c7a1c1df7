"""Every word of the topology language: keys, backends, engines, record types, firewall rules."""

from __future__ import annotations

TOPOLOGY_KEYS = (
    "name",
    "seed",
    "time-limit",
    "backend",
    "search",
    "resolver",
    "captures",
    "networks",
    "nodes",
    "kinds",
    "extends",
)
NETWORK_KEYS = ("subnet", "subnet6", "mtu", "kind")
INTERFACE_KEYS = ("address", "address6", "mac", "up")
NODE_KEYS = (
    "address",
    "address6",
    "interfaces",
    "router",
    "default",
    "routes",
    "services",
    "firewall",
    "nat",
    "nft",
    "image",
    "environment",
    "sysctls",
    "files",
    "start",
    "limits",
    "kind",
    "count",
)

# What a node is given: `netlab.topology.given` says how each is kept.
FILE_KEYS = ("text", "from", "mode")
START_KEYS = ("run", "ready", "within")
READY_KEYS = ("port", "udp-port", "log", "succeeds")
LIMIT_KEYS = ("memory", "processes", "cpu-seconds", "files")

# What nodes are made of: network namespaces, or containers. `netlab.backends` says how.
BACKENDS = ("netns", "docker")
DEFAULT_BACKEND = "netns"
# In the others, a node's programs are the machine's own.
BACKENDS_WITH_IMAGES = ("docker",)

SERVICE_KEYS = {
    "dns": ("engine", "zones", "forward", "recursive", "root", "dnssec", "config"),
    "http": ("engine", "content", "port", "https", "config"),
    "exec": ("run", "ready", "within", "restart", "stop"),  # of each of them, by its name
}
# Kind of service → what can serve it; `netlab.topology.engines` says what each can do.
ENGINES = {
    "dns": ("builtin", "bind9", "dnsmasq"),
    "http": ("builtin", "nginx", "caddy"),
}
# Whether an exec service is started again when it has ended.
RESTARTS = ("never", "on-failure", "always")
STOP_SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL")

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
