"""The networks of a file: their subnets, MTU and kind, and whether they fit together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeVar

from netlab.topology import values
from netlab.topology.faults import TOP, Faults, Mark, shown
from netlab.topology.language import NETWORK
from netlab.topology.model import LEAST_MTU_IPV6, Network
from netlab.topology.reader import Mapping as Tree
from netlab.topology.reader import Scalar, Value
from netlab.topology.vocabulary import DEFAULT_NETWORK, MTUS, NETWORK_KINDS

_SUBNET = "a subnet, as 10.0.0.0/24"
_SUBNET6 = "an IPv6 subnet, as fd00:1::/64, or auto"
_AUTOMATIC = IPv4Network("10.0.0.0/8")
_AUTOMATIC6 = IPv6Network("fd00::/48")
_SPECIAL = (
    (IPv4Network("0.0.0.0/8"), "'this network' (RFC 1122)"),
    (IPv4Network("127.0.0.0/8"), "loopback"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("240.0.0.0/4"), "reserved"),
)
_SPECIAL6 = (
    (IPv6Network("::/8"), "reserved (RFC 4291)"),
    (IPv6Network("fe80::/10"), "link-local, which every interface has anyway"),
    (IPv6Network("ff00::/8"), "multicast"),
)


@dataclass(frozen=True, slots=True)
class Declared:
    """A network of the file; one that is not `sound` has a fault, so that its nodes get none for that.

    `subnet` is None where it has none, or one with a fault; `mark6` is where `subnet6` stands.
    """

    name: str
    subnet: IPv4Network | None
    mark: Mark
    subnet6: IPv6Network | None = None
    mark6: Mark = TOP
    mtu: int | None = None
    kind: str = "switch"
    sound: bool = True
    automatic: bool = False
    automatic6: bool = False


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
        declared[key.text] = _network(key, entry, faults)
    values.once([key for key, _ in found], "network", faults)
    _find_overlaps([(one.subnet, one.mark, one) for one in declared.values() if one.subnet], faults)
    _find_overlaps([(one.subnet6, one.mark6, one) for one in declared.values() if one.subnet6], faults)
    return _with_automatic(declared, faults)


def segment(one: Declared) -> Network:
    """Return a sound network as the topology has it."""
    return Network(one.name, one.subnet, one.subnet6, one.mtu, one.kind)


def _network(key: Scalar, value: Value, faults: Faults) -> Declared:
    """Read a subnet, nothing at all, or the long form {subnet: …}."""
    name = key.text
    if values.is_null(value):
        return Declared(name, None, key.mark, automatic=True)
    if not isinstance(value, Tree):
        subnet = _subnet(value, faults)
        return Declared(name, subnet, value.mark, sound=subnet is not None)
    before = len(faults)
    long = values.fields(value, NETWORK.names, _SUBNET, faults) or {}
    one = Declared(name, None, long["subnet"].mark if "subnet" in long else key.mark, automatic=True)
    if given := long.get("subnet"):
        one = replace(one, automatic=False)
        if not _is_word(given, "none"):
            one = replace(one, subnet=_subnet(given, faults))
    if given := long.get("subnet6"):
        automatic = _is_word(given, "auto")
        one = replace(one, mark6=given.mark, automatic6=automatic)
        if not automatic and not _is_word(given, "none"):
            one = replace(one, subnet6=_subnet6(given, faults))
    if given := long.get("kind"):
        one = replace(
            one, kind=values.one_of(given, tuple(NETWORK_KINDS), "kind of network", faults) or one.kind
        )
    if given := long.get("mtu"):
        one = replace(one, mtu=_mtu(given, one, faults))
    if len(faults) == before and not (one.subnet or one.subnet6 or one.automatic or one.automatic6):
        what = f"the network {shown(name)} has neither subnet nor subnet6: its nodes would have no address"
        faults.add(one.mark, what, "write subnet6: auto, or another subnet than none")
    return replace(one, sound=len(faults) == before)


def _is_word(value: Value, word: str) -> bool:
    return isinstance(value, Scalar) and value.kind == "str" and value.text == word


def _mtu(value: Value, one: Declared, faults: Faults) -> int | None:
    mtu = values.integer(value, *MTUS, faults)
    if mtu is not None and mtu < LEAST_MTU_IPV6 and (one.subnet6 or one.automatic6):
        what = f"an MTU of {mtu} is too small for IPv6, which needs {LEAST_MTU_IPV6} bytes (RFC 8200)"
        faults.add(value.mark, what, f"write {LEAST_MTU_IPV6} or more, or leave out subnet6")
        return None
    return mtu


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
        what = f"{shown(word)} is a subnet of IPv6"
        faults.add(
            value.mark, what, f"write {{subnet: none, subnet6: {word}}}, or leave out subnet: for both"
        )
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


def _subnet6(value: Value, faults: Faults) -> IPv6Network | None:
    word = values.text(value, _SUBNET6, faults)
    if word is None:
        return None
    try:
        subnet = IPv6Network(word, strict=False)
        slash = re.search(r"/[0-9]{1,3}\Z", word)
    except ValueError:
        hint = "write an address and a prefix, as fd00:1::/64"
        faults.add(value.mark, f"{shown(word)} is no subnet of IPv6", hint)
        return None
    what = hint = ""
    special = next((kind for one, kind in _SPECIAL6 if subnet.overlaps(one)), "")
    if not slash:
        what, hint = f"{shown(word)} has no prefix length", "write address and prefix, as fd00:1::/64"
    elif not 32 <= subnet.prefixlen <= 126:
        what, hint = f"a prefix of /{subnet.prefixlen} is out of range", "choose one from /32 to /126"
    elif special:
        what, hint = f"{subnet} is {special}, no network for hosts", "use a private one, as fd00:1::/64"
    elif IPv6Network(word.partition("/")[0]).network_address != subnet.network_address:
        what, hint = f"{shown(word)} has host bits set", f"the subnet is {subnet}"
    if what:
        faults.add(value.mark, what, hint)
        return None
    return subnet


_Subnet = IPv4Network | IPv6Network


def _find_overlaps(sound: Iterable[tuple[_Subnet, Mark, Declared]], faults: Faults) -> None:
    """Note networks that share addresses, each with the widest before it; sorted, so that one pass does."""
    previous: tuple[_Subnet, Mark, Declared] | None = None
    for one in sorted(sound, key=lambda each: (int(each[0].network_address), each[0].prefixlen)):
        if previous is None or int(one[0].network_address) > int(previous[0].broadcast_address):
            previous = one
            continue
        first, second = sorted((previous, one), key=lambda each: (each[1].line, each[1].column))
        what = f"the network {shown(second[2].name)} overlaps {shown(first[2].name)}, {first[0]}"
        hint = f"choose another subnet; the first is at {faults.place(first[1])}"
        faults.add(second[1], what, hint)


def _with_automatic(declared: Mapping[str, Declared], faults: Faults) -> dict[str, Declared]:
    """Give each network without a subnet the lowest free one: 10.0.0.0/24, 10.0.1.0/24, …; fd00::/64, …."""
    free = _free(_AUTOMATIC.subnets(new_prefix=24), [one.subnet for one in declared.values() if one.subnet])
    free6 = _free(
        _AUTOMATIC6.subnets(new_prefix=64), [one.subnet6 for one in declared.values() if one.subnet6]
    )
    complete = {}
    for name, one in declared.items():
        found = one
        if one.automatic:
            found = replace(found, subnet=next(free, None))
        if one.automatic6:
            found = replace(found, subnet6=next(free6, None))
        if (one.automatic and not found.subnet) or (one.automatic6 and not found.subnet6):
            faults.add(one.mark, "no subnet is left for it", "write subnet: and subnet6: by hand")
            found = replace(found, sound=False)
        complete[name] = found
    return complete


_Any = TypeVar("_Any", IPv4Network, IPv6Network)


def _free(candidates: Iterable[_Any], taken: Sequence[_Any]) -> Iterator[_Any]:
    """Yield the candidates that share no address with those taken."""
    ranges = [(int(one.network_address), int(one.broadcast_address)) for one in taken]
    for candidate in candidates:
        low, high = int(candidate.network_address), int(candidate.broadcast_address)
        if not any(first <= high and low <= last for first, last in ranges):
            yield candidate
