"""Who is attached to which network, and which addresses each attachment gets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import count

from netlab.topology import impairments, naming, values
from netlab.topology.faults import TOP, Faults, Mark, shown
from netlab.topology.language import INTERFACE
from netlab.topology.model import Interface
from netlab.topology.networks import Declared
from netlab.topology.reader import Mapping as Tree
from netlab.topology.reader import Scalar, Value
from netlab.topology.wires import Wire

BRIDGE_PORTS = 1023  # BR_MAX_PORTS - 1: what the kernel lets one bridge have

_ADDRESS = "an IPv4 address, as 10.0.0.10"
_ADDRESS6 = "an IPv6 address, as fd00:1::10"
_MAC = "six pairs of hexadecimal digits, as 02:00:00:00:00:0a"
_OF_ONE = ("address", "address6", "wire")  # keys of a node that has one interface, which are that one's
_Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Attachment:
    """A node's wish to be on a network, with the addresses it asks for, if any, and where they stand.

    `whole` is False where something that it asks for has a fault.
    """

    node: str
    network: str
    mark: Mark
    address: IPv4Address | None = None
    address6: IPv6Address | None = None
    mark6: Mark | None = None
    mac: str | None = None
    mac_mark: Mark | None = None
    up: bool = True
    wire: Wire | None = None


def attachments(
    node: Scalar, known: dict[str, Value], declared: dict[str, Declared], faults: Faults
) -> tuple[Attachment, ...]:
    """Rewrite `address`, `address6` and `wire`, or none, to what `interfaces` would say, and read that."""
    short: dict[str, Value] = {key: known[key] for key in _OF_ONE if key in known}
    (first, given), interfaces = next(iter(short.items()), ("", None)), known.get("interfaces")
    if interfaces is not None:
        if given is not None:
            what = f"both {first} and interfaces are there"
            mark = faults.nearest(given.mark, interfaces.mark)
            noun = "wire" if first == "wire" else "address"
            hint = f"write the {noun} into interfaces, and delete this key"
            if mark is not given.mark:
                hint = f"write the {noun} into it, and {first}: null; it is at {faults.place(given.mark)}"
            faults.add(mark, what, hint)
        return tuple(_interfaces(node.text, interfaces, declared, faults))
    name = next(iter(declared))
    if len(declared) > 1:
        own = None if "address" not in known else address(known["address"], faults)
        mark = node.mark if given is None else given.mark
        over = faults.nearest(mark, *(one.mark for one in reversed(declared.values())))
        if over is not mark:  # the file that adds a network is to blame, not the one whose nodes had but one
            what = (
                f"with this network there are several, and nodes in {faults.place(mark).file} do not say on"
            )
            hint = f"write nodes: {{{node.text}: {{interfaces: {{{name}: {own or ''}}}}}}}, and so for each"
            faults.add(over, f"{what} which they are", hint)
            return ()
        what = f"on which of the networks {', '.join(map(shown, list(declared)[:5]))} is this?"
        faults.add(mark, what, f"write interfaces: {{{name}: {own or ''}}}")
        return ()
    mark = node.mark if given is None else given.mark
    found = _attachment(Attachment(node.text, name, mark), short, declared[name], faults)
    return () if found is None else (found,)


def _interfaces(
    node: str, value: Value, declared: dict[str, Declared], faults: Faults
) -> Iterator[Attachment]:
    expected = "networks with addresses, as {lan: 10.0.0.10}"
    found = values.entries(value, expected, faults)
    if found == ():
        faults.add(value.mark, "a node without interfaces", f"write {expected}")
    for key, entry in found or ():
        if key.text not in declared:
            what = f"unknown network {shown(key.text)}"
            faults.add(key.mark, what, values.suggest(key.text, naming.fitting(declared)))
            continue
        bare = Attachment(node, key.text, key.mark if isinstance(entry, Tree) else entry.mark)
        long: dict[str, Value] | None = {}
        if isinstance(entry, Tree):
            long = values.fields(entry, INTERFACE.names, _ADDRESS, faults)
        elif not values.is_null(entry):
            long = {"address": entry}
        if long is not None and (one := _attachment(bare, long, declared[key.text], faults)):
            yield one


def _attachment(
    bare: Attachment, known: dict[str, Value], network: Declared, faults: Faults
) -> Attachment | None:
    """Read an interface's long form; None where an address has a fault, for which it gets no other."""
    before, one = len(faults), bare
    if value := known.get("address"):
        if isinstance(value, Scalar) and ":" in value.text and not network.subnet and network.subnet6:
            known = {**known, "address6": value}  # where there is IPv6 alone, an address is one of IPv6
        else:
            one = replace(one, mark=value.mark, address=address(value, faults))
            if one.address and network.sound and not network.subnet:
                what = f"{one.address} is an IPv4 address, and the network {shown(network.name)} has none"
                faults.add(value.mark, what, f"write address6:, or give {shown(network.name)} a subnet:")
    if value := known.get("address6"):
        one = replace(one, mark6=value.mark, address6=_address6(value, faults))
        if one.address6 and network.sound and not network.subnet6:
            what = f"{one.address6} is an IPv6 address, and the network {shown(network.name)} has no subnet6"
            faults.add(
                value.mark, what, f"write networks: {{{network.name}: {{subnet6: auto}}}}, or a subnet"
            )
    if value := known.get("mac"):
        one = replace(one, mac=_mac(value, faults), mac_mark=value.mark)
    if value := known.get("up"):
        one = replace(one, up=values.truth(value, faults) is not False)
    if value := known.get("wire"):
        one = replace(one, wire=impairments.wire(value, bare.node, faults))
    return one if len(faults) == before else None


def address(value: Value, faults: Faults) -> IPv4Address | None:
    """Return an IPv4 address."""
    word = values.text(value, _ADDRESS, faults)
    if word is None:
        return None
    bare, slash, _ = word.partition("/")
    try:
        found = ip_address(bare)
    except ValueError:
        faults.add(value.mark, f"{shown(word)} is no IPv4 address", "write four numbers, as 10.0.0.10")
        return None
    if isinstance(found, IPv6Address):
        hint = f"write it as address6: {bare}; address: is the IPv4 one"
        faults.add(value.mark, f"{shown(word)} is an address of IPv6", hint)
        return None
    if slash:
        faults.add(value.mark, f"{shown(word)} has a prefix, which is the network's to say", f"write {bare}")
        return None
    return found


def _address6(value: Value, faults: Faults) -> IPv6Address | None:
    word = values.text(value, _ADDRESS6, faults)
    if word is None:
        return None
    bare, slash, _ = word.partition("/")
    try:
        found = IPv6Address(bare)
    except ValueError:
        faults.add(
            value.mark,
            f"{shown(word)} is no IPv6 address",
            "write groups of hexadecimal digits, as fd00:1::10",
        )
        return None
    if slash:
        faults.add(value.mark, f"{shown(word)} has a prefix, which is the network's to say", f"write {bare}")
        return None
    if found.scope_id:
        faults.add(
            value.mark,
            f"{shown(word)} has a scope, which only a link-local one needs",
            f"write {bare.partition('%')[0]}",
        )
        return None
    return found


def _mac(value: Value, faults: Faults) -> str | None:
    """Return a MAC in lower case, with colons; it must be one that a single interface can have."""
    word = values.text(value, _MAC, faults, _is_mac)
    if word is None:
        return None
    if not _is_mac(word):
        faults.add(value.mark, f"{shown(word)} is no MAC address", f"write {_MAC}")
        return None
    mac = word.lower().replace("-", ":")
    first = int(mac[:2], 16)
    if first & 1:
        what = f"{mac} is a group's MAC address: the lowest bit of its first octet is set"
        faults.add(value.mark, what, f"write an even first octet, as {first & 0xFE | 2:02x}{mac[2:]}")
        return None
    if mac == "00:00:00:00:00:00":
        faults.add(value.mark, "a MAC address of zeros is no interface's", f"write {_MAC}")
        return None
    return mac


def _is_mac(word: str) -> bool:
    return re.fullmatch(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", word) is not None


def allocate(
    attachments: Iterable[Attachment], declared: dict[str, Declared], faults: Faults
) -> dict[tuple[str, str], Interface]:
    """Give every attachment its addresses, by (node, network): its own, or the lowest that no one asked for.

    Returns interfaces that have no name yet.
    """
    by_network: dict[str, list[Attachment]] = {name: [] for name in declared}
    for attachment in attachments:
        by_network[attachment.network].append(attachment)
    _find_macs_twice((one for wanted in by_network.values() for one in wanted), faults)
    given: dict[tuple[str, str], Interface] = {}
    for name, wanted in by_network.items():
        network = declared[name]
        if not network.sound or not _has_room(network, wanted, faults):
            continue
        first = _allocate(network, network.subnet, ((one.address, one.mark, one) for one in wanted), faults)
        second = _allocate(
            network, network.subnet6, ((one.address6, one.mark6 or one.mark, one) for one in wanted), faults
        )
        for one in wanted:
            address, address6 = first.get(one.node), second.get(one.node)
            assert not isinstance(address, IPv6Address)
            assert not isinstance(address6, IPv4Address)
            given[one.node, name] = Interface("", name, address, address6, one.mac, one.up, one.wire)
    return given


def _find_macs_twice(attachments: Iterable[Attachment], faults: Faults) -> None:
    first: dict[str, Attachment] = {}
    for one in attachments:
        if one.mac is None or one.mac_mark is None:
            continue
        earlier = first.setdefault(one.mac, one)
        if earlier is not one and earlier.mac_mark is not None:
            what = f"the MAC address {one.mac} is taken by node {shown(earlier.node)}"
            faults.add(one.mac_mark, what, faults.other(one.mac_mark, earlier.mac_mark))


def _has_room(network: Declared, wanted: list[Attachment], faults: Faults) -> bool:
    """Note the first node that a network has no room for."""
    name = network.name
    rooms = [(_hosts(subnet), subnet) for subnet in (network.subnet, network.subnet6) if subnet]
    hosts, subnet = min(rooms, key=lambda room: room[0])
    if len(wanted) > min(hosts, BRIDGE_PORTS):
        mark = wanted[min(hosts, BRIDGE_PORTS)].mark
        if hosts < BRIDGE_PORTS:
            what = f"{len(wanted)} nodes are on {shown(name)}, whose subnet {subnet} has room for {hosts}"
            faults.add(mark, what, "choose a shorter prefix")
        else:
            what = (
                f"{len(wanted)} nodes are on {shown(name)}; a switch (Linux bridge) has {BRIDGE_PORTS} ports"
            )
            faults.add(mark, what, "spread the nodes over several networks")
        return False
    return True


def _hosts(subnet: IPv4Network | IPv6Network) -> int:
    """Count the addresses that hosts can have: all but the first, and IPv4's last."""
    return subnet.num_addresses - (2 if subnet.version == 4 else 1)


def _allocate(
    network: Declared,
    subnet: IPv4Network | IPv6Network | None,
    wishes: Iterable[tuple[_Address | None, Mark, Attachment]],
    faults: Faults,
) -> Mapping[str, _Address]:
    """Return an address for each node, in the order of the file; none where there is no subnet."""
    if subnet is None:
        return {}
    asked = list(wishes)
    taken: dict[_Address, tuple[Mark, Attachment]] = {}
    for own, mark, attachment in asked:
        if own is None:
            continue
        first_mark, first = taken.setdefault(own, (mark, attachment))
        if first is not attachment:
            taker, marks = first.node, (mark, first_mark)
            if first_mark.file != mark.file and faults.nearest(*marks) == first_mark:
                taker, marks = attachment.node, (first_mark, mark)
            faults.add(marks[0], f"the address {own} is taken by node {shown(taker)}", faults.other(*marks))
        else:
            _check_host(own, subnet, mark, network, faults)
    kind = IPv4Address if subnet.version == 4 else IPv6Address
    free = (one for number in count(int(subnet.network_address) + 1) if (one := kind(number)) not in taken)
    return {attachment.node: own or next(free) for own, _, attachment in asked}


def _check_host(
    own: _Address, subnet: IPv4Network | IPv6Network, mark: Mark, network: Declared, faults: Faults
) -> None:
    where = network.mark if subnet.version == 4 else network.mark6
    if own not in subnet and where is not TOP and faults.nearest(mark, where) is where:
        # A file gives another subnet to the nodes of one that it extends.
        what = (
            f"nodes in {faults.place(mark).file} have addresses outside {shown(network.name)} as it is here"
        )
        faults.add(where, what, f"give them others too, as {subnet.network_address + 1}")
        return
    highest = int(subnet.broadcast_address) - (subnet.version == 4)
    last = type(own)(highest)
    if own not in subnet:
        what = f"{own} is outside {shown(network.name)}, {subnet}"
        faults.add(mark, what, f"choose one from {subnet.network_address + 1} to {last}")
    elif own == subnet.network_address:
        whose = (
            "the network's own address" if own.version == 4 else "every router's address (RFC 4291, 2.6.1)"
        )
        faults.add(mark, f"{own} is {whose}", f"the first host is {own + 1}")
    elif int(own) > highest:
        faults.add(mark, f"{own} is the broadcast address of {subnet}", f"the last host is {last}")


def check_members(
    attachments: Iterable[Attachment], declared: Mapping[str, Declared], nodes: int, faults: Faults
) -> None:
    """Note links that do not join two nodes, and networks on which a node would be alone.

    A lab of a single node may have that on networks of its own: there is nobody else.
    """
    members: dict[str, list[Attachment]] = {name: [] for name in declared}
    for attachment in attachments:
        members[attachment.network].append(attachment)
    for name, network in declared.items():
        here = members[name]
        if network.kind == "link" and len(here) != 2:
            number = f"{len(here)} {'is' if len(here) == 1 else 'are'} on it"
            what = f"{shown(name)} is a link, which joins two nodes, and {number}"
            mark = here[2].mark if len(here) > 2 else network.mark
            faults.add(mark, what, "write kind: switch" if len(here) > 2 else "put two nodes on it")
        elif len(here) == 1 and nodes > 1:
            what = f"the node {shown(here[0].node)} is alone on the network {shown(name)}"
            faults.add(here[0].mark, what, "put a second node on it, or take this one off")


def addresses(interfaces: Iterable[Interface]) -> tuple[_Address, ...]:
    """Return every address of interfaces, each interface's IPv4 one first."""
    return tuple(own for one in interfaces for own in (one.address, one.address6) if own is not None)
