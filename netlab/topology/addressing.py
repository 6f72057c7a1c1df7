"""Networks, who is attached to them, and which address each attachment gets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from netlab.topology import values
from netlab.topology.faults import TOP, Faults, Mark, shown
from netlab.topology.reader import Mapping, Value
from netlab.topology.vocabulary import DEFAULT_NETWORK, NETWORK_KEYS

BRIDGE_PORTS = 1023  # BR_MAX_PORTS - 1: what the kernel lets one bridge have

_SUBNET = "a subnet, as 10.0.0.0/24"
_ADDRESS = "an IPv4 address, as 10.0.0.10"
_SPECIAL = (
    (IPv4Network("0.0.0.0/8"), "'this network' (RFC 1122)"),
    (IPv4Network("127.0.0.0/8"), "loopback"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("240.0.0.0/4"), "reserved"),
)


@dataclass(frozen=True, slots=True)
class Declared:
    """A network of the file; `subnet` is None where it has a fault, so that its nodes get none for that."""

    name: str
    subnet: IPv4Network | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class Attachment:
    """A node's wish to be on a network, with the address it asks for, if any."""

    node: str
    network: str
    mark: Mark
    address: IPv4Address | None = None


def networks(value: Value | None, faults: Faults) -> dict[str, Declared] | None:
    """Return the networks by name, the default one where the file has none; None where it cannot be told."""
    if value is None or values.is_null(value):
        name, subnet = DEFAULT_NETWORK
        return {name: Declared(name, IPv4Network(subnet), TOP)}
    found = values.entries(value, "networks with their subnets, as {lan: 10.0.0.0/24}", faults)
    if found is None:
        return None
    if not found:
        faults.add(
            value.mark, "there is no network", "write one, as {lan: 10.0.0.0/24}, or leave the key out"
        )
        return None
    declared = {}
    for key, entry in found:
        values.label(key.text, key.mark, "network", faults)
        declared[key.text] = _network(key.text, entry, faults)
    values.once([key for key, _ in found], "network", faults)
    _find_overlaps(declared.values(), faults)
    return declared


def _network(name: str, value: Value, faults: Faults) -> Declared:
    """Read a subnet, or the long form {subnet: …}."""
    if isinstance(value, Mapping):
        before = len(faults)
        long = values.fields(value, NETWORK_KEYS, _SUBNET, faults) or {}
        if "subnet" not in long:
            # Where a key is unknown, it was most likely meant to be this one: one cause, one fault.
            if len(faults) == before:
                faults.add(
                    value.mark, f"the network {shown(name)} has no subnet", "write subnet: 10.0.0.0/24"
                )
            return Declared(name, None, value.mark)
        value = long["subnet"]
    return Declared(name, _subnet(value, faults), value.mark)


def _subnet(value: Value, faults: Faults) -> IPv4Network | None:
    word = values.text(value, _SUBNET, faults)
    if word is None:
        return None
    try:
        subnet = ip_network(word, strict=False)
    except ValueError:
        faults.add(value.mark, f"{shown(word)} is no subnet", "write an address and a prefix, as 10.0.0.0/24")
        return None
    if isinstance(subnet, IPv6Network):
        faults.add(value.mark, "not yet supported: a network of IPv6", "IPv4 only, as 10.0.0.0/24")
        return None
    what, hint = _unfit(word, subnet)
    if what:
        faults.add(value.mark, what, hint)
        return None
    return subnet


def _unfit(word: str, subnet: IPv4Network) -> tuple[str, str]:
    """Say why a subnet cannot be a lab's network, and what to do; two empty strings where it can."""
    if not re.fullmatch(r"[0-9.]+/[0-9]{1,2}", word):
        return f"{shown(word)} has no prefix length", "write address and prefix, as 10.0.0.0/24"
    if not 8 <= subnet.prefixlen <= 30:
        return f"a prefix of /{subnet.prefixlen} is out of range", "choose one from /8 to /30"
    for special, kind in _SPECIAL:
        if subnet.overlaps(special):
            return f"{subnet} is {kind}, no network for hosts", "use a private one, as 10.0.0.0/24"
    if word.partition("/")[0] != str(subnet.network_address):
        return f"{shown(word)} has host bits set", f"the subnet is {subnet}"
    return "", ""


def _find_overlaps(declared: Iterable[Declared], faults: Faults) -> None:
    """Note networks that share addresses, each with the widest before it; sorted, so that one pass does."""
    sound = [(network.subnet, network) for network in declared if network.subnet is not None]
    previous: tuple[IPv4Network, Declared] | None = None
    for subnet, network in sorted(sound, key=lambda pair: pair[0]):
        if previous is None or subnet.network_address > previous[0].broadcast_address:
            previous = (subnet, network)
            continue
        first, second = sorted((previous[1], network), key=lambda one: (one.mark.line, one.mark.column))
        what = f"the network {shown(second.name)} overlaps {shown(first.name)}, {first.subnet}"
        hint = f"choose another subnet; the first is at {faults.place(first.mark)}"
        faults.add(second.mark, what, hint)


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
        faults.add(value.mark, "not yet supported: an address of IPv6", "IPv4 only, as 10.0.0.10")
        return None
    if slash:
        faults.add(value.mark, f"{shown(word)} has a prefix, which is the network's to say", f"write {bare}")
        return None
    return found


def allocate(
    attachments: Iterable[Attachment], declared: dict[str, Declared], faults: Faults
) -> dict[tuple[str, str], IPv4Address]:
    """Give every attachment an address, by (node, network): its own, or the lowest that no one asked for."""
    by_network: dict[str, list[Attachment]] = {name: [] for name in declared}
    for attachment in attachments:
        by_network[attachment.network].append(attachment)
    given: dict[tuple[str, str], IPv4Address] = {}
    for name, wanted in by_network.items():
        subnet = declared[name].subnet
        if subnet is not None and _has_room(name, subnet, wanted, faults):
            given.update(_allocate_in(subnet, wanted, faults))
    return given


def _has_room(name: str, subnet: IPv4Network, wanted: list[Attachment], faults: Faults) -> bool:
    """Note the first node that a network has no room for."""
    hosts = subnet.num_addresses - 2
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


def _allocate_in(
    subnet: IPv4Network, wanted: list[Attachment], faults: Faults
) -> dict[tuple[str, str], IPv4Address]:
    taken: dict[IPv4Address, Attachment] = {}
    for attachment in wanted:
        if attachment.address is None:
            continue
        first = taken.setdefault(attachment.address, attachment)
        if first is not attachment:
            what = f"the address {attachment.address} is taken by node {shown(first.node)}"
            faults.add(attachment.mark, what, f"choose another; the first is at {faults.place(first.mark)}")
        else:
            _check_host(attachment.address, subnet, attachment, faults)
    given = {}
    following = int(subnet.network_address) + 1
    for attachment in wanted:
        own = attachment.address
        while own is None:
            candidate = IPv4Address(following)
            following += 1
            own = None if candidate in taken else candidate
        given[attachment.node, attachment.network] = own
    return given


def _check_host(own: IPv4Address, subnet: IPv4Network, attachment: Attachment, faults: Faults) -> None:
    if own not in subnet:
        what = f"{own} is outside {shown(attachment.network)}, {subnet}"
        low, high = subnet.network_address + 1, subnet.broadcast_address - 1
        faults.add(attachment.mark, what, f"choose one from {low} to {high}")
    elif own == subnet.network_address:
        faults.add(attachment.mark, f"{own} is the network's own address", f"the first host is {own + 1}")
    elif own == subnet.broadcast_address:
        faults.add(
            attachment.mark, f"{own} is the broadcast address of {subnet}", f"the last host is {own - 1}"
        )
