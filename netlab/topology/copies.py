"""`count: 100` in a node: the nodes that it stands for, each with its number, its name and its addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from netlab.topology import values
from netlab.topology.faults import TOP, Faults, shown
from netlab.topology.merging import Entry
from netlab.topology.reader import Mapping, Scalar, Sequence, Value
from netlab.topology.vocabulary import COUNTS, DEFAULT_NETWORK

KEY = "count"
NUMBER = "{n}"

_MAX_LABEL = 63  # RFC 1123, section 2.1
_ADDRESSES = ("address", "address6")


def number(name: Scalar, node: Value, faults: Faults) -> int | None:
    """Return how many nodes an entry stands for; None where it says nothing of that, and is one."""
    if not isinstance(node, Mapping):
        return None
    for key, value in node.entries:
        if key.text == KEY and not values.is_null(value):
            many = faults.counts[name.text] = values.integer(value, *COUNTS, faults)
            return many
    return None


class Copying:
    """Makes the nodes of one file; `single` are the names of those that stand for themselves."""

    def __init__(self, networks: Value | None, single: Iterable[Scalar], faults: Faults) -> None:
        default, subnet = DEFAULT_NETWORK
        self._networks: dict[str, Value] = {default: Scalar(TOP, subnet)}
        if isinstance(networks, Mapping):
            self._networks = {key.text: value for key, value in networks.entries}
        self._taken = {key.text.lower(): key for key in single}
        self._faults = faults

    def copies(self, key: Scalar, node: Value, many: int) -> list[Entry]:
        """Return `many` nodes, NAME-1 and so on, each with the addresses after those of the one before it."""
        if not values.is_label(key.text):
            return [(key, node)]  # what is wrong with the name is told of it alone
        if len(longest := f"{key.text}-{many}") > _MAX_LABEL:
            what = f"{KEY} makes a name of {len(longest)} characters, which ends in {shown(longest[-20:])}"
            self._faults.add(key.mark, what, f"a name has {_MAX_LABEL} at most (RFC 1123): shorten it")
            return [(key, node)]
        self._find_misread(node)
        node = _with_addresses(node, lambda value, network: self._fitting(value, network, many))
        made: list[Entry] = []
        for index in range(1, many + 1):
            name = Scalar(key.mark, f"{key.text}-{index}")
            if self._is_free(name):
                made.append((name, self._copy(node, index)))
        return made

    def _is_free(self, name: Scalar) -> bool:
        first = self._taken.setdefault(name.text.lower(), name)
        if first is name:
            return True
        what = f"{KEY} makes a node {shown(name.text)}, and there is one already"
        self._faults.add(name.mark, what, f"rename one; the first is at {self._faults.place(first.mark)}")
        return False

    def _copy(self, node: Value, index: int) -> Value:
        def later(value: Value, _: str | None) -> Value:
            first = _address(value)
            return value if first is None else Scalar(value.mark, str(first + (index - 1)))

        return _numbered(_with_addresses(node, later), str(index), self._faults)

    def _fitting(self, value: Value, network: str | None, many: int) -> Value:
        """Return an address that as many can follow on its network; with the fault noted, none.

        One that is wrong by itself is left to who reads addresses.
        """
        first = _address(value)
        if first is None:
            return value
        subnet = self._subnet(network, first.version)
        last = int(first) + many - 1
        if subnet is None or first not in subnet:
            if last < 2**first.max_prefixlen:
                return value
            what, hint = f"there are no {many} addresses from {first} on", "begin at a lower one"
        else:
            # The last one of an IPv4 subnet is no host's.
            highest = int(subnet.broadcast_address) - (first.version == 4)
            if last <= highest:
                return value
            what = f"{many} addresses from {first} on do not fit into {subnet}"
            hint = "choose a shorter prefix, or count fewer"
            if many < highest - int(subnet.network_address):
                hint = f"begin at {type(first)(highest - many + 1)} or lower, or {hint}"
            elif first.version == 4:
                # More nodes than addresses: that is told where the network has no room left.
                return Scalar(value.mark, "", "null")
        self._faults.add(value.mark, what, hint)
        return Scalar(value.mark, "", "null")

    def _subnet(self, network: str | None, version: int) -> IPv4Network | IPv6Network | None:
        """Return a network's subnet, where the file says one; None stands for the only network."""
        if network is None and len(self._networks) == 1:
            (network,) = self._networks
        value = self._networks.get(network or "")
        if isinstance(value, Mapping):
            long = {key.text: entry for key, entry in value.entries}
            value = long.get("subnet" if version == 4 else "subnet6")
        try:
            subnet = ip_network(value.text) if isinstance(value, Scalar) and value.kind == "str" else None
        except ValueError:
            return None
        return subnet if subnet is not None and subnet.version == version else None

    def _find_misread(self, value: Value) -> None:
        """Note each `{n}` that is not quoted: to YAML it is a mapping with the key n."""
        if isinstance(value, Sequence):
            for item in value.items:
                self._find_misread(item)
        if not isinstance(value, Mapping):
            return
        if [key.text for key, _ in value.entries] == ["n"] and value.mark.width == len(NUMBER):
            what = f"YAML reads {NUMBER} alone as a mapping with the key n"
            self._faults.add(value.mark, what, f'quote it: "{NUMBER}"')
        for key, entry in value.entries:
            # Here it may be one: a network may be called n.
            if key.text != "interfaces":
                self._find_misread(entry)


def _address(value: Value) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(value.text) if isinstance(value, Scalar) and value.kind == "str" else None
    except ValueError:
        return None


def _with_addresses(node: Value, change: Callable[[Value, str | None], Value]) -> Value:
    """Return a node with each of its addresses changed, by address and network (None: the only one)."""

    def interface(network: Scalar, value: Value) -> Value:
        if not isinstance(value, Mapping):
            return change(value, network.text)
        entries = (
            (key, change(entry, network.text) if key.text in _ADDRESSES else entry)
            for key, entry in value.entries
        )
        return Mapping(value.mark, tuple(entries))

    if not isinstance(node, Mapping):
        return node
    entries = []
    for key, value in node.entries:
        changed = value
        if key.text in _ADDRESSES:
            changed = change(value, None)
        elif key.text == "interfaces" and isinstance(value, Mapping):
            pairs = ((network, interface(network, entry)) for network, entry in value.entries)
            changed = Mapping(value.mark, tuple(pairs))
        entries.append((key, changed))
    return Mapping(node.mark, tuple(entries))


def _numbered(value: Value, index: str, faults: Faults) -> Value:
    """Return a value with its node's number in the place of each {n}, in keys too."""
    if isinstance(value, Scalar):
        if value.kind == "str" and NUMBER in value.text:
            return replace(value, text=value.text.replace(NUMBER, index))
        return value
    if isinstance(value, Sequence):
        return Sequence(value.mark, tuple(_numbered(item, index, faults) for item in value.items))
    entries: dict[str, Entry] = {}
    for key, entry in value.entries:
        name = replace(key, text=key.text.replace(NUMBER, index))
        first, _ = entries.setdefault(name.text, (name, _numbered(entry, index, faults)))
        if first is not name:
            what = f"the key {shown(name.text)} is there twice, as {NUMBER} is {index}"
            faults.add(key.mark, what, f"keep one; the first is at {faults.place(first.mark)}")
    return Mapping(value.mark, tuple(entries.values()))
