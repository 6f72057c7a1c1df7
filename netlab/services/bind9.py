"""BIND 9 (named): authoritative, signing (DNSSEC), forwarding, or recursive from the lab's own root."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.model import PlannedNode
from netlab.services.programs import Engine, Program, directory
from netlab.services.zonefile import file_name, records_text, zone_text
from netlab.topology.given import LogMatches, PortOpen
from netlab.topology.model import DnsService, Service
from netlab.topology.records import ROOT

ANCHORS = "trust-anchors.conf"
HINTS = "root.hints"
SIGNED = ".signed"  # behind the name of a zone's file
KEYS = "keys"


def describe(service: Service, node: PlannedNode) -> Program:
    """Return what it takes to serve with named."""
    assert isinstance(service, DnsService)
    place = directory(node, service.kind)
    config = service.config.text if service.config else _config(service, node, place)
    files = [("named.conf", config)]
    files += [(file_name(zone.origin), zone_text(zone)) for zone in service.zones]
    files += [(HINTS, records_text(service.hints))] if service.hints else []
    made = [file_name(zone.origin) + SIGNED for zone in service.zones if service.dnssec]
    made += [KEYS] if service.dnssec else []
    made += [ANCHORS] if service.anchors else []
    return Program(
        # In the foreground; what it logs goes to standard error, whatever the configuration says.
        argv=("named", "-g", "-c", f"{place}/named.conf"),
        ready=(PortOpen(53, "udp"), PortOpen(53), LogMatches(r" running$")),
        directory=place,
        files=tuple((f"{place}/{name}", text) for name, text in files),
        made=tuple(f"{place}/{name}" for name in made),
        trouble=r"not loaded due to errors|loading from master file .* failed|could not listen on",
    )


def _config(service: DnsService, node: PlannedNode, place: str) -> str:
    options = "".join(f"    {line};\n" for line in _options(service, node, place))
    parts = [f"options {{\n{options}}};\n", "controls { };\n"]
    if service.anchors:
        parts.append(f'include "{place}/{ANCHORS}";\n')
    if service.recursive and not any(zone.origin == ROOT for zone in service.zones):
        parts.append(f'zone "." {{\n    type hint;\n    file "{HINTS}";\n}};\n')
    for zone in service.zones:
        file = file_name(zone.origin) + (SIGNED if service.dnssec else "")
        parts.append(f'zone "{zone.origin}" {{\n    type primary;\n    file "{file}";\n}};\n')
    return "\n".join(parts)


def _options(service: DnsService, node: PlannedNode, place: str) -> Iterator[str]:
    """Yield statements: what it would keep where it cannot write is kept here, or not at all."""
    yield f'directory "{place}"'
    yield f'managed-keys-directory "{place}"'
    yield f'session-keyfile "{place}/session.key"'
    yield "pid-file none"
    yield "lock-file none"
    yield "listen-on { any; }"
    yield f"listen-on-v6 {{ {'any' if node.has_ipv6 else 'none'}; }}"
    yield "allow-query { any; }"
    yield "allow-transfer { none; }"
    yield "notify no"
    yield "querylog yes"
    # The lab's own addresses are those that it would deny for the world.
    yield "empty-zones-enable no"
    yield "check-names primary ignore"
    # By default at random; so it is the same in every run.
    yield "rrset-order { order none; }"
    asks = service.recursive or bool(service.forward)
    yield f"recursion {'yes' if asks else 'no'}"
    if asks:
        yield "allow-recursion { any; }"
        yield "allow-query-cache { any; }"
    if service.forward:
        yield "forward only"
        yield f"forwarders {{ {' '.join(f'{one};' for one in service.forward)} }}"
    yield f"dnssec-validation {'yes' if service.anchors else 'no'}"


_TOOLS = {
    "debian": "bind9-utils",
    "fedora": "bind-dnssec-utils",
    "arch": "bind",
    "alpine": "bind-dnssec-tools",
}

ENGINE = Engine(
    name="bind9",
    program="named",
    asking=("named", "-v"),
    version=r"BIND ([0-9][^\s]*)",
    packages={"debian": "bind9", "fedora": "bind", "arch": "bind", "alpine": "bind", "": "bind"},
    describe=describe,
    helpers={"dnssec": ("dnssec-signzone", {**_TOOLS, "": "bind-utils"})},
)
