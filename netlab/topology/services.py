"""The services of a node: which engine, with what.

Counterpart: `netlab.topology.resolvers`, which reads what names other nodes, once all of them are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netlab.errors import Place
from netlab.topology import engines, reader, values, zones
from netlab.topology.execs import execs
from netlab.topology.faults import Faults, shown
from netlab.topology.files import beside
from netlab.topology.given import Config
from netlab.topology.language import SERVICE_KEYS
from netlab.topology.model import DnsService, HttpService, Service, Zone
from netlab.topology.reader import Scalar, Value
from netlab.topology.vocabulary import ENGINES, PORTS
from netlab.topology.zonefile import Sources

DNS_PORT = 53
HTTP_PORT = 80
HTTPS_PORT = 443
_MOST_CONFIG = 1 << 20  # bytes
_CONTENT = "a directory, relative to this file, as www"
_CONFIG = "the path of a file, relative to this one, as my-server.conf"


@dataclass(frozen=True, slots=True)
class Host:
    """The node whose services are read; `directory` is what its paths are relative to.

    `engines` take the place of those that the file names, by the kind of service.
    """

    name: str
    search: str
    addresses: Sequence[IPv4Address | IPv6Address]
    directory: Path
    sources: Sources
    engines: Mapping[str, str] = field(default_factory=dict)


def services(value: Value | None, host: Host, faults: Faults) -> tuple[Service, ...]:
    """Return a node's services in the order of the file, the exec services last."""
    found = values.entries(value, "services by name, as {http: {content: www}}", faults) or ()
    read: list[Service] = []
    kinds = {key.text for key, _ in found}
    commands = None
    for key, entry in found:
        if key.text not in SERVICE_KEYS:
            hint = values.suggest(key.text, tuple(SERVICE_KEYS))
            faults.add(key.mark, f"unknown service {shown(key.text)}", hint)
            continue
        if key.text == "exec":
            commands = entry
            continue
        expected = f"its keys, out of {', '.join(SERVICE_KEYS[key.text])}"
        known = values.fields(entry, SERVICE_KEYS[key.text], expected, faults)
        if known is None:
            continue
        service = _service(key, known, host, faults)
        if service is None:
            continue
        read.append(service)
        if isinstance(service, HttpService) and service.port == DNS_PORT and "dns" in kinds:
            faults.add(known["port"].mark, "port 53 is the dns service's", "choose another, as 80")
        _check_engine(service, key, known, faults)
    if commands is not None:
        read += execs(commands, taken(read), faults)
    return tuple(read)


def taken(of: Sequence[Service]) -> dict[tuple[str, int], str]:
    """Return the ports that services listen on, by transport and number, and whose each is."""
    ports: dict[tuple[str, int], str] = {}
    for service in of:
        if isinstance(service, DnsService):
            ports |= {("udp", DNS_PORT): "dns", ("tcp", DNS_PORT): "dns"}
        elif isinstance(service, HttpService):
            ports[("tcp", service.port)] = "http"
            if service.https:
                ports[("tcp", HTTPS_PORT)] = "http"
    return ports


def places(value: Value | None, node: str, faults: Faults) -> dict[str, Place]:
    """Return where a node's services and their keys stand, as `Topology.places` has them."""
    found: dict[str, Place] = {}
    for kind, entry in value.entries if isinstance(value, reader.Mapping) else ():
        found[f"{node}.{kind.text}"] = faults.place(kind.mark)
        for key, _ in entry.entries if isinstance(entry, reader.Mapping) else ():
            found[f"{node}.{kind.text}.{key.text}"] = faults.place(key.mark)
    return found


def _service(
    key: Scalar, known: dict[str, Value], host: Host, faults: Faults
) -> DnsService | HttpService | None:
    engine = written = "builtin"
    if "engine" in known:
        engine = written = values.one_of(known["engine"], ENGINES[key.text], "engine", faults) or engine
    if host.engines.get(key.text) in ENGINES[key.text]:
        engine = host.engines[key.text]
    service = (_dns if key.text == "dns" else _http)(key, known, engine, host, faults)
    config = known.get("config")
    if config and not values.is_false(config) and (found := engines.inability(key.text, written, "config")):
        faults.add(config.mark, *found)
    # What is written for one server says nothing to another.
    return service if service is None or engine == written else replace(service, config=None)


def _check_engine(service: Service, key: Scalar, known: dict[str, Value], faults: Faults) -> None:
    """Note what a service asks for that its engine cannot do; its `config` is the written engine's."""
    for word, value in known.items():
        if word == "config" or values.is_false(value):
            continue
        if found := engines.inability(service.kind, service.engine, word):
            faults.add(value.mark, *found)
    if not faults and (found := engines.unfit(service)):
        faults.add(known["engine"].mark if "engine" in known else key.mark, *found)


def _dns(key: Scalar, known: dict[str, Value], engine: str, host: Host, faults: Faults) -> DnsService:
    server = zones.Server(f"{host.name}.{host.search}.", host.search, host.addresses, host.sources, engine)
    asks = "forward" in known or "recursive" in known  # it may have nothing of its own
    served: tuple[Zone, ...] = ()
    if "zones" in known or not asks:
        served = zones.zones(known.get("zones"), server, key.mark, faults)
    dnssec = values.truth(known["dnssec"], faults) if "dnssec" in known else False
    if dnssec and not served:
        faults.add(known["dnssec"].mark, "no zone to sign", "write zones:, or leave dnssec out")
    config = _config(known.get("config"), host, faults)
    return DnsService(served, engine, dnssec=bool(dnssec), config=config)


def _http(
    key: Scalar, known: dict[str, Value], engine: str, host: Host, faults: Faults
) -> HttpService | None:
    port = values.integer(known["port"], *PORTS, faults) if "port" in known else HTTP_PORT
    https = values.truth(known["https"], faults) if "https" in known else False
    config = _config(known.get("config"), host, faults)
    if "content" not in known:
        faults.add(key.mark, "an http service without content", f"write content: and {_CONTENT}")
        return None
    content = _content(known["content"], host, faults)
    if content is None or port is None:
        return None
    if https and port == HTTPS_PORT:
        faults.add(known["port"].mark, "port 443 is that of https", "choose another, as 80")
    return HttpService(content, port, engine, bool(https), config)


def _content(value: Value, host: Host, faults: Faults) -> Path | None:
    word = values.text(value, _CONTENT, faults, bool)
    if word is None:
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
    return content.resolve()


def _config(value: Value | None, host: Host, faults: Faults) -> Config | None:
    """Return the text of a server's own configuration."""
    word = None if value is None else values.text(value, _CONFIG, faults, bool)
    if value is None or word is None:
        return None
    path = beside(value.mark, host.directory) / word
    try:
        if not path.exists():
            hint = "make it, or correct the path: it is relative to this file"
            faults.add(value.mark, f"there is no file {shown(word)}", hint)
        elif not path.is_file() or path.stat().st_size > _MOST_CONFIG:
            what = f"{shown(word)} is no regular file of at most 1 MiB"
            faults.add(value.mark, what, f"write {_CONFIG}")
        else:
            return Config(path.read_text(encoding="utf-8"), word)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8"
        faults.add(value.mark, f"{shown(word)} cannot be read: {reason}", f"write {_CONFIG}")
    return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
