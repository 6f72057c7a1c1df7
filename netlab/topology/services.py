"""The services of a node: which engine, with what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netlab.topology import values, zones
from netlab.topology.faults import Faults, shown
from netlab.topology.files import beside
from netlab.topology.language import SERVICE_KEYS
from netlab.topology.model import DnsService, HttpService, Service
from netlab.topology.reader import Scalar, Value
from netlab.topology.vocabulary import ENGINES, PORTS
from netlab.topology.zonefile import Sources

DNS_PORT = 53
HTTP_PORT = 80
_CONTENT = "a directory, relative to this file, as www"


@dataclass(frozen=True, slots=True)
class Host:
    """The node whose services are read; `directory` is what its paths are relative to."""

    name: str
    search: str
    addresses: Sequence[IPv4Address | IPv6Address]
    directory: Path
    sources: Sources


def services(value: Value | None, host: Host, faults: Faults) -> tuple[Service, ...]:
    """Return a node's services in the order of the file."""
    found = values.entries(value, "services by name, as {http: {content: www}}", faults) or ()
    read: list[Service] = []
    kinds = {key.text for key, _ in found}
    for key, entry in found:
        if key.text not in SERVICE_KEYS:
            hint = values.suggest(key.text, tuple(SERVICE_KEYS))
            faults.add(key.mark, f"unknown service {shown(key.text)}", hint)
            continue
        expected = f"its keys, out of {', '.join(SERVICE_KEYS[key.text])}"
        known = values.fields(entry, SERVICE_KEYS[key.text], expected, faults)
        if known is None:
            continue
        engine = "builtin"
        if "engine" in known:
            engine = values.one_of(known["engine"], ENGINES[key.text], "engine", faults) or engine
        if key.text == "dns":
            read.append(_dns(key, known, engine, host, faults))
        elif service := _http(key, known, engine, host, faults):
            read.append(service)
            if service.port == DNS_PORT and "dns" in kinds:
                faults.add(known["port"].mark, "port 53 is the dns service's", "choose another, as 80")
    return tuple(read)


def _dns(key: Scalar, known: dict[str, Value], engine: str, host: Host, faults: Faults) -> DnsService:
    server = zones.Server(f"{host.name}.{host.search}.", host.search, host.addresses, host.sources, engine)
    return DnsService(zones.zones(known.get("zones"), server, key.mark, faults), engine)


def _http(
    key: Scalar, known: dict[str, Value], engine: str, host: Host, faults: Faults
) -> HttpService | None:
    port = values.integer(known["port"], *PORTS, faults) if "port" in known else HTTP_PORT
    if "content" not in known:
        faults.add(key.mark, "an http service without content", f"write content: and {_CONTENT}")
        return None
    value = known["content"]
    word = values.text(value, _CONTENT, faults, bool)
    if word is None or port is None:
        return None
    content = beside(value.mark, host.directory) / word
    try:
        is_directory = content.is_dir()
    except (OSError, ValueError):
        is_directory = False
    if not is_directory:
        what = (
            f"{shown(word)} is no directory" if _exists(content) else f"there is no directory {shown(word)}"
        )
        faults.add(value.mark, what, "make it, or correct the path: it is relative to this file")
        return None
    return HttpService(content.resolve(), port, engine)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
