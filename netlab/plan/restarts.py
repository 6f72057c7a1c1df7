"""Which services of a lab that runs start again when its plan becomes another one, and why.

`netlab.plan.changes` tells of them, beside all else that differs.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields

from netlab.plan.model import PlannedNode
from netlab.topology.given import Config, Startup
from netlab.topology.model import DnsService, ExecService, HttpService, Record, Service

NONE = "none"
_MOST_SHOWN = 60
_MOST_NAMED = 10  # zones: a note is a part of one line


def services_of(node: PlannedNode) -> dict[str, Service]:
    """Return a node's services by the word that messages and logs have for each."""
    return {service.called: service for service in node.services}


def needs_restart(old: PlannedNode, new: PlannedNode, name: str) -> bool:
    """Whether a service that both have is another one, or listens elsewhere: on IPv6 too, or no longer."""
    service = services_of(new)[name]
    differs = services_of(old)[name] != service
    return differs or _listens(old, service) != _listens(new, service)


def _listens(node: PlannedNode, service: Service) -> object:
    """Return what of a node a service has looked at when it began to listen."""
    if isinstance(service, ExecService):
        return None
    if isinstance(service, HttpService) or service.engine == "builtin":
        return node.has_ipv6
    # BIND and dnsmasq listen on each address, and take their time to notice another.
    return [(port.switch, port.addresses, port.up) for port in node.ports]


def why_restart(old: Service, new: Service) -> str:
    """Tell what differs between two services of one name; nothing where it is not they that do."""
    if type(old) is not type(new):
        return "it is another kind of service"
    told: list[str] = []
    for each in fields(new):
        before, after = getattr(old, each.name), getattr(new, each.name)
        if before == after:
            continue
        if each.name == "zones" and isinstance(new, DnsService):
            zones = [*_zones({zone.origin: zone for zone in before}, {zone.origin: zone for zone in after})]
            told += zones[:_MOST_NAMED]
            if (rest := len(zones) - _MOST_NAMED) > 0:
                told.append(f"{rest} more")
        elif isinstance(before, Startup):
            told += _differences(before, after)
        else:
            told.append(_difference(each.name, before, after))
    return ", ".join(told)


def _differences(old: Startup, new: Startup) -> Iterator[str]:
    if old.argv != new.argv:
        yield _difference("run", shlex.join(old.argv), shlex.join(new.argv))
    for name, before, after in (("ready", old.ready, new.ready), ("within", old.within, new.within)):
        if before != after:
            yield _difference(name, before, after)


def _difference(name: str, before: object, after: object) -> str:
    if _word(before) == _word(after):  # they differ beyond what is shown
        return f"{name} changed"
    return f"{name} {_word(before)} → {_word(after)}"


def _word(value: object) -> str:
    """Return what a service has under one of its fields, in the file's words as far as it has any."""
    match value:
        case bool():
            return "on" if value else "off"
        case Config(origin=origin):
            return cut(origin)
        case Record():
            return f"{value.owner} {value.type} {value.rdata}"
        case tuple():
            return cut(", ".join(map(_word, value))) or NONE
    return said(value)


def _zones(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for origin in dict.fromkeys([*old, *new]):
        if old.get(origin) != new.get(origin):
            how = "removed" if origin not in new else "changed" if origin in old else "added"
            yield f"zone {origin} {how}"


def said(value: object) -> str:
    """Return a value as a change has it."""
    return cut(NONE if value is None else str(value))


def cut(text: str) -> str:
    """Return a text that fits into a line, cut where it is long."""
    shown = text if text.isprintable() else repr(text)
    return shown if len(shown) <= _MOST_SHOWN else shown[:_MOST_SHOWN] + "…"
