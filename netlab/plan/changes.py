"""What makes one plan of another: the changes that a running lab can take, and what takes a new start.

Counterpart: `netlab.backends.inside.applying`, which makes them. Names and numbers that follow from others
(a rule's words, /etc/hosts, netlab's own sysctls) are no changes of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from netlab.errors import UsageError
from netlab.plan import cables
from netlab.plan.keeping import keep_names
from netlab.plan.model import Plan, PlannedNode, Port, Route, Rule, Switch
from netlab.plan.restarts import NONE, cut, needs_restart, said, services_of, why_restart
from netlab.plan.segments import ETHERNET_MTU
from netlab.topology.given import Limits
from netlab.topology.model import DnsService
from netlab.topology.recordings import Capture

_LATER = "for what starts from now on"
# What interfaces take on as they are made, and no more once they have an address.
_AS_MADE = re.compile(r"-?net\.(ipv[46]\.(conf|neigh)\.default\.|ipv6\.conf\..+\.addr_gen_mode$)")
_NEW_START = "end the lab and start it again: netlab down, netlab up"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, of a node, a network or (`subject` empty) the lab.

    `aspect` is what differs ("address", "rule"), `name` which one of several. `before` is None for what comes
    to be, `after` for what goes; both are empty where the values are no words. `note` is said in parentheses.
    """

    subject: str
    aspect: str
    name: str = ""
    before: str | None = ""
    after: str | None = ""
    note: str = field(default="", compare=False)

    def __str__(self) -> str:
        whose = [f"{self.subject}:"] if self.subject else []
        how, detail = self._how
        details = [word for word in (detail, self.note) if word]
        inside = [f"({'; '.join(details)})"] if details else []
        return " ".join(word for word in (*whose, self.aspect, self.name, how, *inside) if word)

    @property
    def _how(self) -> tuple[str, str]:
        if self.before is None:
            return "added", self.after or ""
        if self.after is None:
            return "removed", self.before
        if self.before == self.after == "":
            return "restarted" if self.aspect == "service" else "changed", ""
        return f"{self.before} → {self.after}", ""

    def mirrored(self) -> Change:
        """Return the change that takes this one back."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs: `refusals` are sentences on what a running lab cannot take.

    `new` is the plan that the lab then has: the new one, with the names that interfaces of the old one keep.
    """

    new: Plan
    changes: tuple[Change, ...]
    refusals: tuple[str, ...]

    def check(self) -> None:
        """Raise UsageError, which says all of it, where anything takes a new start."""
        if self.refusals:
            chosen = any(one.startswith(("seed ", "backend ")) for one in self.refusals)
            hint = f"{_NEW_START}; or give --seed and --backend as `up` had them" if chosen else _NEW_START
            raise UsageError("this takes a new start: " + "; ".join(self.refusals), hint)


def compare(old: Plan, new: Plan) -> Comparison:
    """Tell what differs: the lab, its networks, what nodes it has, then each node in the new file's order."""
    new = keep_names(old, new)
    refusals = [*_lab_refusals(old, new)]
    changes = [*_lab(old, new), *_networks(old, new)]
    before, after = ({node.name: node for node in plan.nodes} for plan in (old, new))
    changes += [Change("", "node", name, "", None) for name in before if name not in after]
    changes += [Change("", "node", name, None, "") for name in after if name not in before]
    for name in (name for name in after if name in before):
        refusals += _node_refusals(before[name], after[name])
        changes += _node(before[name], after[name])
    if old.seed != new.seed:  # it is what is said; all MACs follow from it
        changes = [change for change in changes if change.aspect not in _OF_THE_SEED]
    if not changes and not refusals and old != new:
        changes.append(Change("", "order or wording"))
    return Comparison(new, tuple(changes), tuple(refusals))


# -- the lab ---------------------------------------------------------------------------------------------

# What is compared below; a field that is in neither list is one that no running lab can change.
_PLAN = {"time_limit", "captures", "switches", "nodes"}
_SWITCH = {"name", "kind"}
_PORT = {
    "node",
    "interface",
    "mac",
    "address",
    "switch",
    "port",
    "port_mac",
    "address6",
    "mtu",
    "up",
    "wire",
}
_NODE = {
    "name",
    "ports",
    "files",
    "sysctls",
    "rules",
    "services",
    "nft",
    "provisions",
    "router",
    "routes",
    "trusts",
}
_PROVISIONS = {"environment", "sysctls", "files", "limits"}


def _others(old: Any, new: Any, compared: set[str]) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 — any dataclass
    """Yield the fields that differ and are not compared by themselves, with both values."""
    for each in fields(old):
        before, after = getattr(old, each.name), getattr(new, each.name)
        if each.name not in compared and each.compare and before != after:
            yield each.name, before, after


def _lab_refusals(old: Plan, new: Plan) -> Iterator[str]:
    trusted = ["https" if any(node.trusts for node in plan.nodes) else NONE for plan in (old, new)]
    if trusted[0] != trusted[1]:
        yield f"authorities that nodes believe {trusted[0]} → {trusted[1]}"
    signers = (_signers(old), _signers(new))
    for zone in dict.fromkeys([*signers[0], *signers[1]]):
        before, after = (each.get(zone, NONE) for each in signers)
        if before != after:
            yield f"who signs the zone {zone} {before} → {after}"
    for name, before, after in _others(old, new, _PLAN):
        yield f"{name} {said(before)} → {said(after)}"
    ours = _SWITCH if old.seed == new.seed else _SWITCH | {"mac"}
    for one, other in _both(_named(old.switches), _named(new.switches)):
        for name, before, after in _others(one, other, ours):
            yield f"{one.name}: {name} {said(before)} → {said(after)}"


def _signers(plan: Plan) -> dict[str, str]:
    """Return the node that signs each zone, with keys that are made as a lab starts."""
    return {
        zone.origin.lower(): node.name
        for node in plan.nodes
        for service in node.services
        if isinstance(service, DnsService) and service.dnssec
        for zone in service.zones
    }


def _lab(old: Plan, new: Plan) -> Iterator[Change]:
    if old.time_limit != new.time_limit:
        limits = (_seconds(old.time_limit), _seconds(new.time_limit))
        yield Change("", "time limit", "", *limits, note=_LATER)
    captures: tuple[Mapping[str, Capture], ...] = tuple(_named(plan.captures) for plan in (old, new))
    yield from _items("", "capture", *captures)


def _seconds(limit: int | None) -> str:
    return NONE if limit is None else f"{limit} s"


def _networks(old: Plan, new: Plan) -> Iterator[Change]:
    before, after = _named(old.switches), _named(new.switches)
    yield from (Change("", "network", name, "", None) for name in before if name not in after)
    yield from (Change("", "network", name, None, "") for name in after if name not in before)
    for one, other in _both(before, after):
        if one.kind != other.kind:
            yield Change(one.name, "kind", "", one.kind, other.kind)
    ports = {(port.node, port.interface): port for port in old.ports}
    mtus = (
        (port.switch, ports[port.node, port.interface].mtu or ETHERNET_MTU, port.mtu or ETHERNET_MTU)
        for port in new.ports
        if (port.node, port.interface) in ports and ports[port.node, port.interface].switch == port.switch
    )
    for network, was, now in dict.fromkeys(mtus):
        if was != now:
            yield Change(network, "mtu", "", str(was), str(now))


# -- a node ----------------------------------------------------------------------------------------------


def _node_refusals(old: PlannedNode, new: PlannedNode) -> Iterator[str]:
    given = (old.provisions, new.provisions)
    for name, before, after in (*_others(old, new, _NODE), *_others(*given, _PROVISIONS)):
        if name == "start":
            yield f"{new.name}: start-up commands, which run as a node comes up"
        else:
            yield f"{new.name}: {name} {said(before)} → {said(after)}"
    sysctls = tuple(dict(one.sysctls) for one in given)
    for key in dict.fromkeys([*sysctls[0], *sysctls[1]]):
        if _AS_MADE.match(key) and sysctls[0].get(key) != sysctls[1].get(key):
            yield f"{new.name}: sysctl {key}, which interfaces take on as they are made"
    ports = ({port.interface: port for port in node.ports} for node in (old, new))
    for one, other in _both(*ports):
        for name, before, after in _others(one, other, _PORT):
            yield f"{new.name}: {name} of {one.interface} {said(before)} → {said(after)}"


def _node(old: PlannedNode, new: PlannedNode) -> Iterator[Change]:
    yield from _interfaces(old, new)
    if old.router != new.router:
        yield Change(new.name, "forwarding", "", *("on" if node.router else "off" for node in (old, new)))
    yield from _items(new.name, "route", _ways(old.routes), _ways(new.routes), words=str)
    yield from _rules(old, new)
    if old.nft != new.nft:
        yield from _items(new.name, "nft rules", *({"": one.nft} if one.nft else {} for one in (old, new)))
    yield from _given(old, new)
    files = ({path: text for path, text in node.files if path != "/etc/hosts"} for node in (old, new))
    yield from _items(new.name, "file", *files)
    yield from _services(old, new)


def _interfaces(old: PlannedNode, new: PlannedNode) -> Iterator[Change]:
    before, after = ({port.interface: port for port in node.ports} for node in (old, new))
    yield from _items(
        new.name,
        "interface",
        {name: port for name, port in before.items() if name not in after},
        {name: port for name, port in after.items() if name not in before},
        words=_interface,
    )
    several = len(before) > 1 or len(after) > 1
    for one, other in _both(before, after):
        named = f"of {one.interface}" if several else ""
        yield from (
            Change(new.name, aspect, named, was, now)
            for aspect, was, now in zip(_ASPECTS, _aspects(one), _aspects(other), strict=True)
            if was != now
        )
        wires = ({"": cables.words(port.wire, port.node)} if port.wire else {} for port in (one, other))
        yield from (replace(change, name=named) for change in _items(new.name, "wire", *wires, words=str))


_OF_THE_SEED = ("MAC", "MAC of the switch's port")
_ASPECTS = ("network", "address", "IPv6 address", *_OF_THE_SEED, "link")


def _aspects(port: Port) -> tuple[str, ...]:
    addresses = (str(port.address or NONE), str(port.address6 or NONE))
    return (port.switch, *addresses, port.mac, port.port_mac, "up" if port.up else "down")


def _interface(port: Port) -> str:
    return ", ".join([port.switch, *map(str, port.addresses)])


def _ways(routes: Sequence[Route]) -> dict[str, str]:
    """Return how each destination is reached; routes to one destination are told together."""
    found: dict[str, list[str]] = {}
    for route in routes:
        to = "default" if str(route.destination) == "0.0.0.0/0" else str(route.destination)
        found.setdefault(to, []).append(f"via {route.gateway} dev {route.interface}")
    return {to: ", ".join(sorted(ways)) for to, ways in found.items()}


def _rules(old: PlannedNode, new: PlannedNode) -> Iterator[Change]:
    before, after = _by_name(old.rules), _by_name(new.rules)
    yield from _items(new.name, "rule", before, after)
    common = before.keys() & after.keys()
    orders = [[(rule.chain, rule.name) for rule in node.rules if rule.name in common] for node in (old, new)]
    if sorted(orders[0]) == sorted(orders[1]) and orders[0] != orders[1]:
        yield Change(new.name, "order of rules")


def _by_name(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        found.setdefault(rule.name, []).append(rule)
    return found


def _given(old: PlannedNode, new: PlannedNode) -> Iterator[Change]:
    before, after = old.provisions, new.provisions
    variables = (before.environment, after.environment)
    yield from _items(new.name, "environment", *map(dict, variables), words=cut, note=_LATER)
    sysctls = (before.sysctls, after.sysctls)
    yield from _items(new.name, "sysctl", *map(dict, sysctls), words=cut)
    files = ({file.path: file for file in one.files} for one in (before, after))
    for change in _items(new.name, "file", *files):
        in_place = None not in (change.before, change.after)
        yield change if in_place else replace(change, note=_LATER)
    for name, one, other in zip(_LIMITS, _limits(before.limits), _limits(after.limits), strict=True):
        if one != other:
            yield Change(new.name, "limit", name, one, other, note=_LATER)


_LIMITS = tuple(each.name.replace("_", "-") for each in fields(Limits))


def _limits(limits: Limits) -> tuple[str, ...]:
    return tuple(said(getattr(limits, each.name)) for each in fields(limits))


def _services(old: PlannedNode, new: PlannedNode) -> Iterator[Change]:
    before, after = services_of(old), services_of(new)
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            before_and_after = (None if one is None else "", None if other is None else "")
            yield Change(new.name, "service", name, *before_and_after)
        elif needs_restart(old, new, name):
            what = "IPv6" if old.has_ipv6 != new.has_ipv6 else "addresses"
            why = why_restart(one, other) or f"its node's {what} changed"
            yield Change(new.name, "service", name, note=why)


# -- shared ----------------------------------------------------------------------------------------------


_Named = TypeVar("_Named", Switch, Capture)


def _named(things: Iterable[_Named]) -> dict[str, _Named]:
    return {thing.name: thing for thing in things}


def _both(old: Mapping[str, _T], new: Mapping[str, _T]) -> Iterator[tuple[_T, _T]]:
    return ((old[name], new[name]) for name in new if name in old)


def _nothing(_: Any) -> str:  # noqa: ANN401 — anything is said as nothing
    return ""


def _items(
    subject: str,
    aspect: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    words: Any = _nothing,  # noqa: ANN401 — a function of such a value
    note: str = "",
) -> Iterator[Change]:
    """Yield what was removed from, changed in and added to named things; `words` tells their values."""
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield Change(subject, aspect, name, words(old[name]), None, note)
        elif name not in old:
            yield Change(subject, aspect, name, None, words(new[name]), note)
        elif old[name] != new[name]:
            before, after = words(old[name]), words(new[name])
            if before == after:  # they differ beyond what is shown
                before = after = ""
            yield Change(subject, aspect, name, before, after, note)
