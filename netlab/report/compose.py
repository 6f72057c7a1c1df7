"""A plan as a Compose file (Compose Specification): the same lab for who goes on without netlab.

Pure: where files lie on the machine is told by `Placement`. What it writes is made for a person to read
and change: what all nodes share stands once, and the head says what Compose has no words for.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from netlab.errors import UsageError
from netlab.plan import provisions
from netlab.plan.model import Plan, PlannedNode, Port
from netlab.plan.rules import base_chain
from netlab.plan.seal import IMAGE_CAPABILITIES, NODE_CAPABILITIES, NODE_LIMITS

Value = str | int | bool | Sequence["Value"] | Mapping[str, "Value"]
Settings = dict[str, Value]

_LIMITS: Settings = {
    "mem_limit": f"{NODE_LIMITS.memory >> 20}m",
    "cpus": int(NODE_LIMITS.cpus),
    "pids_limit": NODE_LIMITS.processes,
}
# Without it the host has an address on the bridge, which every container reaches.
_NO_HOST_ADDRESS = {"com.docker.network.bridge.inhibit_ipv4": "true"}
AUTHOR = "as `netlab export compose` wrote it."  # how a file's first line ends
_NOBODY = "127.0.0.1"  # as name server: asked inside the container, where nobody answers

# What every reader of YAML, 1.1 or 1.2, takes for text.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_/-]*(?:[.][A-Za-z0-9_/-]+)*")
_NOT_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_WIDTH = 100


class _Script(str):
    """A text that is shown line by line; it ends with a line's end."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or directory that a container sees: `source` relative to the Compose file, `target` absolute."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where things are: `file` is the Compose file's name, `image` netlab's image.

    `contents` are the directories of all http services: the topology is not valid without them.
    """

    file: str
    image: str
    topology: Mount
    contents: tuple[Mount, ...] = ()


def text(plan: Plan, placement: Placement) -> str:
    """Return the file, comments at its top; UsageError where a network leaves Docker no address."""
    services = dict(_services(plan, placement))
    shared = _shared([service for service in services.values() if "networks" in service])
    nodes: Settings = {name: _without(service, shared) for name, service in services.items()}
    lines = [*_head(plan, placement), ""]
    if shared:
        lines += ["# What all nodes have in common.", "x-node: &node", *_lines(shared, 1), ""]
    lines += [*_lines({"services": nodes}, 0), "", *_lines({"networks": _networks(plan)}, 0)]
    return "\n".join(lines) + "\n"


# -- services and networks -------------------------------------------------------------------------


def _services(plan: Plan, placement: Placement) -> Iterator[tuple[str, Settings]]:
    """Yield the containers of each node: its own, and that of its image where netlab's has work beside it."""
    for node in plan.nodes:
        if node.image is None or node.services or node.rules or node.nft:
            # A process 1 that hands on SIGTERM: `down` is not held up.
            own: Settings = {"image": placement.image, "init": True, **_sealed(NODE_CAPABILITIES)}
            yield node.name, own | _network_settings(node) | _work(node, placement)
        if node.image is None:
            continue
        foreign: Settings = {"image": node.image, "stdin_open": True, **_sealed(IMAGE_CAPABILITIES)}
        if node.services or node.rules or node.nft:
            beside: Settings = {"network_mode": f"service:{node.name}", "depends_on": [node.name]}
            yield f"{node.name}.image", foreign | beside  # no node's name has a dot
        else:
            yield node.name, foreign | _network_settings(node)


def _sealed(capabilities: Sequence[str]) -> Settings:
    return {
        "cap_drop": ["ALL"],
        "cap_add": capabilities,
        "security_opt": ["no-new-privileges:true"],
        **_LIMITS,
    }


def _network_settings(node: PlannedNode) -> Settings:
    """Return what makes a container this node: name, addresses, hosts, name server, kernel parameters."""
    single = len(node.ports) == 1
    settings: Settings = {"hostname": node.name, **_names(node), "sysctls": _sysctls(node)}
    if single:
        settings["mac_address"] = node.ports[0].mac  # here Compose and engines of any age understand it
    networks = {}
    for index, port in enumerate(node.ports):
        own: Settings = {"ipv4_address": str(_address(port).ip)}
        if not single:
            own |= {"mac_address": port.mac, "priority": len(node.ports) - index}
        networks[port.switch] = own
    return settings | {"networks": networks}


def _names(node: PlannedNode) -> Settings:
    """Say in Compose's words what the node's /etc/hosts and /etc/resolv.conf say."""
    files = dict(node.files)
    entries = [line.split() for line in files["/etc/hosts"].splitlines()]
    hosts = [
        f"{name}:{address}"
        for address, *names in entries
        for name in names
        if name != "localhost" and ":" not in address
    ]
    resolver: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    for line in files["/etc/resolv.conf"].splitlines():
        key, *words = line.split()
        resolver.get(key, []).extend(words)
    return {
        "extra_hosts": hosts,
        # Left out, they would be the machine's own.
        "dns": resolver["nameserver"] or [_NOBODY],
        "dns_search": resolver["search"] or ["."],
        **({"dns_opt": resolver["options"]} if resolver["options"] else {}),
    }


def _sysctls(node: PlannedNode) -> dict[str, str]:
    """Return the parameters that a container can be given: no interface is there yet, and each must exist."""
    interfaces = {port.interface for port in node.ports}
    return {
        key: value
        for key, value in node.sysctls
        if not key.startswith(("-", "net.ipv6.")) and interfaces.isdisjoint(key.split("."))
    }


def _work(node: PlannedNode, placement: Placement) -> Settings:
    """Return what the node's own container runs, and the files that it needs for that."""
    command = ["sleep", "infinity"]
    settings: Settings = {}
    if node.services:
        command = ["python3", "-m", "netlab.services", placement.topology.target, node.name]
        mounts = (placement.topology, *placement.contents)
        settings["volumes"] = [
            {"type": "bind", "source": mount.source, "target": mount.target, "read_only": True}
            for mount in mounts
        ]
    if node.rules or node.nft:
        command = ["sh", "-c", _Script("\n".join([*_rules(node), f"exec {shlex.join(command)}\n"]))]
    return settings | {"command": command}


def _rules(node: PlannedNode) -> Iterator[str]:
    """Yield a script's lines that put the rules in place."""
    yield "set -e"
    if node.rules:
        yield "nft add table inet netlab"
    for chain in dict.fromkeys(rule.chain for rule in node.rules):
        yield f"nft 'add chain inet netlab {chain} {base_chain(chain)}'"
    for rule in node.rules:
        yield f"# {rule.name}: {rule.why}"
        yield f"nft 'add rule inet netlab {rule.chain} {rule.nft}'"
    if node.nft:
        yield f"nft -f - <<'END'\n{node.nft.text}END"


def _networks(plan: Plan) -> dict[str, Value]:
    """Return the networks that have nodes; Compose makes no others."""
    ports: dict[str, list[Port]] = {switch.name: [] for switch in plan.switches}
    for port in plan.ports:
        ports[port.switch].append(port)
    return {
        name: {
            "driver": "bridge",
            "internal": True,
            "driver_opts": _NO_HOST_ADDRESS,
            "ipam": {
                "config": [
                    {
                        "subnet": str(_address(attached[0]).network),
                        "gateway": str(_gateway(name, attached)),
                    }
                ]
            },
        }
        for name, attached in ports.items()
        if attached
    }


def _address(port: Port) -> IPv4Interface:
    """Return a port's address of IPv4; UsageError where it has none."""
    if port.address is None:
        what = f"the network '{port.switch}' cannot be exported: it has IPv6 alone"
        raise UsageError(what, "give it a subnet: of IPv4, too")
    return port.address


def _gateway(network: str, ports: Sequence[Port]) -> IPv4Address:
    """Return the highest address that no node has: Docker sets one aside, by itself the first."""
    subnet: IPv4Network = _address(ports[0]).network
    taken = {_address(port).ip for port in ports}
    for number in range(int(subnet.broadcast_address) - 1, int(subnet.network_address), -1):
        if IPv4Address(number) not in taken:
            return IPv4Address(number)
    raise UsageError(
        f"the network '{network}' cannot be exported: its nodes have every address of {subnet},"
        " and Docker sets one aside",
        "choose a shorter prefix",
    )


def _shared(services: Sequence[Settings]) -> Settings:
    """Return the settings that all have alike; none where there is but one service."""
    if len(services) < 2:
        return {}
    first, *others = services
    return {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}


def _without(service: Settings, shared: Settings) -> Settings:
    """Put a reference in the place of what is shared; a container beside a node's own shares nothing."""
    if not shared or "networks" not in service:
        return service
    return {"<<": "*node"} | {key: value for key, value in service.items() if key not in shared}


# -- the head --------------------------------------------------------------------------------------


def _head(plan: Plan, placement: Placement) -> Iterator[str]:
    compose = f"docker compose -p {plan.name.lower()} -f {_visible(shlex.quote(placement.file))}"
    yield f"# The lab {plan.name} for Docker Compose, {AUTHOR}"
    yield "#"
    yield f"#   {compose} up -d"
    yield f"#   {compose} exec {plan.nodes[0].name} ip address"
    yield f"#   {compose} down"
    yield "#"
    if any(node.image is None or node.services or node.rules or node.nft for node in plan.nodes):
        yield f"# {_visible(placement.image)} has servers and tools; `netlab image build` makes netlab's."
    yield "# What does not come along:"
    for point in _losses(plan):
        first, *more = _wrapped(point)
        yield f"# * {first}"
        yield from (f"#   {line}" for line in more)


def _network_losses(plan: Plan) -> Iterator[str]:
    """Yield what Compose has no words for in the network layer of this lab."""
    if any(node.has_ipv6 for node in plan.nodes):
        yield "IPv6: the networks have IPv4 alone."
    if any(node.routes for node in plan.nodes):
        yield "Routes: no node has one to a network that it is not on; `netlab plan --commands` shows them."
    if any(switch.kind != "switch" for switch in plan.switches) or any(port.mtu for port in plan.ports):
        yield "Hubs, links and MTUs: each network is a bridge of Docker's, which learns."
    wires = [port.node for port in plan.ports if port.wire]
    if wires:
        yield f"Wires: every packet goes on at once and as it is ({', '.join(dict.fromkeys(wires[:5]))})."
    if not all(port.up for port in plan.ports):
        yield "Interfaces that are down: here they are up."


def _losses(plan: Plan) -> Iterator[str]:
    yield (
        "The seal. A lab of netlab has no link to the machine. Here Docker's rules hold the networks shut,"
        " but the host's kernel has a hand in each, and root in a container can send to the host."
    )
    yield "Captures, traces and checks: nothing is recorded. tcpdump in a container shows what passes there."
    yield from _network_losses(plan)
    yield (f"The seed: the MAC addresses are those of seed {plan.seed}; what scripts draw is left to chance.")
    yield (
        "What makes each run's packets the same: a sender that fills in checksums itself and hands down"
        " segments one by one, TCP's wait of 1 s before it sends again, and the kernel's parameters that"
        " belong to an interface or are not in every kernel."
    )
    yield (
        "The way of a name: programs ask Docker's resolver, 127.0.0.11, which knows the containers' names and"
        " addresses, and asks the lab's name server, where there is one, for the rest."
    )
    yield "Labs side by side: Docker has each subnet once."
    given = [node.name for node in plan.nodes if provisions.data(node)]
    if given:
        yield f"The environment, files, start-up commands and limits of nodes ({', '.join(given[:5])})."
    routers = [node.name for node in plan.nodes if len(node.ports) > 1]
    if routers:
        yield (
            f"The interfaces' names: Docker numbers them by the networks' names ({', '.join(routers[:5])});"
            " from Engine 28.1 on, interface_name beside ipv4_address says it. Their MAC addresses need"
            " Docker Engine 25 and Compose 2.24."
        )


def _wrapped(point: str) -> list[str]:
    lines = [""]
    for word in point.split():
        if lines[-1] and len(lines[-1]) + len(word) > _WIDTH - 6:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines


# -- YAML ------------------------------------------------------------------------------------------


def _lines(mapping: Mapping[str, Value], depth: int) -> Iterator[str]:
    for key, value in mapping.items():
        margin = "  " * depth
        if key == "<<":
            yield f"{margin}<<: {value}"
        else:
            yield from _headed(f"{margin}{_scalar(key)}:", value, depth)


def _headed(head: str, value: Value, depth: int) -> Iterator[str]:
    """Yield a value behind its key or dash: in the same line where it fits, else below."""
    flow = _flow(value)
    if flow is not None and (isinstance(value, str | int) or _fits(f"{head} {flow}", value, depth)):
        yield f"{head} {flow}"
        return
    margin = "  " * (depth + 1)
    if isinstance(value, str):
        yield f"{head} |"
        yield from (margin + line for line in _escaped(value).splitlines())
        return
    yield head
    if isinstance(value, Mapping):
        yield from _lines(value, depth + 1)
    elif isinstance(value, Sequence):
        for item in value:
            lines = list(_headed(f"{margin}-", item, depth + 1))
            # A mapping begins in its dash's line.
            yield from lines if lines[0] != f"{margin}-" else [f"{margin}- {lines[1].lstrip()}", *lines[2:]]


def _fits(line: str, value: Value, depth: int) -> bool:
    """Whether a list or mapping reads well in one line: only small things, far in, do."""
    if isinstance(value, Mapping) and (depth < 3 or any(isinstance(v, Mapping) for v in value.values())):
        return False
    return len(line) < _WIDTH


def _flow(value: Value) -> str | None:
    """Return a value in one line; None for a script, and what holds one."""
    if isinstance(value, Mapping):
        members = {_scalar(key): _flow(member) for key, member in value.items()}
        if None in members.values():
            return None
        return "{" + ", ".join(f"{key}: {member}" for key, member in members.items()) + "}"
    if isinstance(value, str):
        return None if isinstance(value, _Script) else _scalar(_escaped(value))
    if isinstance(value, Sequence):
        items = [_flow(item) for item in value]
        return None if None in items else "[" + ", ".join(map(str, items)) + "]"
    return json.dumps(value)


def _scalar(word: str) -> str:
    """Quote a word unless no reader of YAML can take it for anything but text."""
    is_plain = _PLAIN.fullmatch(word) is not None and word.lower() not in _NOT_TEXT
    if is_plain:
        return word
    return _visible(json.dumps(word, ensure_ascii=False))  # JSON is YAML, but for what nobody sees


def _visible(text: str) -> str:
    """Escape the characters that cannot be printed, line ends among them."""
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in text)


def _escaped(text: str) -> str:
    """Double the dollar signs: Compose puts variables in the place of single ones."""
    return text.replace("$", "$$")
