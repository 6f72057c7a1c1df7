"""Where a dns service looks for what it does not know: other servers, or the root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address

from netlab.topology import engines, naming, reader, values
from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.model import DnsService, Node
from netlab.topology.reader import Scalar, Value
from netlab.topology.records import ROOT

Keys = Mapping[str, Value]


def with_resolvers(
    nodes: tuple[Node, ...], read: Mapping[str, Value | None], faults: Faults
) -> tuple[Node, ...]:
    """Return the nodes, with `forward`, `recursive` and `root` of their dns services.

    `read` holds each node's `services`, by its name.
    """
    keys = {node.name: _keys(read[node.name]) for node in nodes}
    if any("forward" in known or "recursive" in known or "root" in known for known in keys.values()):
        nodes = tuple(_resolving(node, keys[node.name], nodes, faults) for node in nodes)
    _check_signed_once(nodes, keys, faults)
    return nodes


def _keys(value: Value | None) -> Keys:
    """Return the keys of a node's dns service."""
    for kind, entry in value.entries if isinstance(value, reader.Mapping) else ():
        if kind.text == "dns" and isinstance(entry, reader.Mapping):
            return {key.text: each for key, each in entry.entries if not values.is_null(each)}
    return {}


def _resolving(node: Node, known: Keys, nodes: Sequence[Node], faults: Faults) -> Node:
    service = dns_of(node)
    if service is None:
        return node
    recursive = bool(values.truth(known["recursive"], faults)) if "recursive" in known else False
    forward = tuple(_servers(node, known.get("forward"), nodes, faults, addresses=True))
    root = tuple(_servers(node, known.get("root"), nodes, faults, addresses=False))
    _check_knows(service, known, faults)
    if recursive and forward:
        what = "a server either asks the root's servers, or those that it forwards to"
        faults.add(known["forward"].mark, what, "leave out forward, or recursive")
    if root and not recursive:
        faults.add(known["root"].mark, "root says where a recursive server begins", "write recursive: true")
    if recursive and engines.inability("dns", service.engine, "recursive") is None:
        root = root or _roots(nodes)
        _check_roots(root, known, nodes, faults)
    made = replace(service, forward=forward, recursive=recursive, root=root)
    return replace(node, services=tuple(made if one is service else one for one in node.services))


def _check_knows(service: DnsService, known: Keys, faults: Faults) -> None:
    """Note a server that has no zones, and that says of nobody whom it could ask."""
    asked = [known[word] for word in ("forward", "recursive") if word in known]
    if asked and not (service.zones or "zones" in known) and all(map(_is_nobody, asked)):
        what = "a dns service that has no zones, and asks nobody"
        faults.add(asked[0].mark, what, "write forward: and a name server, recursive: true, or zones:")


def _is_nobody(value: Value) -> bool:
    return values.is_false(value) or (isinstance(value, reader.Sequence) and not value.items)


def dns_of(node: Node) -> DnsService | None:
    """Return a node's dns service."""
    return next((one for one in node.services if isinstance(one, DnsService)), None)


def _roots(nodes: Sequence[Node]) -> tuple[str, ...]:
    """Return the nodes that serve the root zone."""
    return tuple(node.name for node in nodes if _serves_root(node))


def _serves_root(node: Node) -> bool:
    service = dns_of(node)
    return service is not None and any(zone.origin == ROOT for zone in service.zones)


def _check_roots(root: Sequence[str], known: Keys, nodes: Sequence[Node], faults: Faults) -> None:
    named = known.get("root")
    if not root and named is None:
        what = "no node serves the root zone, with which a recursive server begins"
        hint = 'give one the zone ".", or write forward: and a name server'
        faults.add(known["recursive"].mark, what, hint)
    for node in nodes:
        if named is not None and node.name in root and not _serves_root(node):
            what = f"the node {shown(node.name)} does not serve the root zone"
            faults.add(_mark(named, node.name), what, 'give it the zone "."')


def _servers(
    node: Node, value: Value | None, nodes: Sequence[Node], faults: Faults, *, addresses: bool
) -> list[str]:
    """Return names of nodes, or addresses, from one or a list of them."""
    found = []
    serving = [each.name for each in nodes if dns_of(each) is not None and each.name != node.name]
    items = value.items if isinstance(value, reader.Sequence) else () if value is None else (value,)
    or_address = ", or an address" if addresses else ""
    for item in items:
        example = serving[0] if serving else "dns"
        word = values.text(
            item, f"the name of a node with a dns service{or_address}, as {example}", faults, bool
        )
        if word is None:
            continue
        if word in serving or (addresses and _is_address(word)):
            found.append(word)
        elif word == node.name:
            faults.add(item.mark, "a server that asks itself", "name another node")
        elif word in [each.name for each in nodes]:
            faults.add(item.mark, f"the node {shown(word)} runs no dns service", "name one that does")
        else:
            naming.unknown(item.mark, word, f"unknown node {shown(word)}", serving, faults)
    return found


def _is_address(word: str) -> bool:
    try:
        return "%" not in word and bool(ip_address(word))
    except ValueError:
        return False


def _mark(value: Value, word: str) -> Mark:
    items = value.items if isinstance(value, reader.Sequence) else (value,)
    return next((one.mark for one in items if isinstance(one, Scalar) and one.text == word), value.mark)


def _check_signed_once(nodes: Sequence[Node], keys: Mapping[str, Keys], faults: Faults) -> None:
    """Note a zone that two nodes sign: each would have keys of its own, and one of them would be wrong."""
    first: dict[str, str] = {}
    for node in nodes:
        service = dns_of(node)
        for zone in service.zones if service is not None and service.dnssec else ():
            earlier = first.setdefault(zone.origin.lower(), node.name)
            if earlier != node.name:
                what = f"the zone {shown(zone.origin)} is signed by {shown(earlier)} already"
                hint = "a zone has one set of keys: leave out dnssec in one of them"
                faults.add(keys[node.name]["dnssec"].mark, what, hint)
