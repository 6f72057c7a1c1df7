"""What a file says over the one it extends, and a node over its kind: two marked trees in, one out.

Mappings merge key by key, at any depth; all else is replaced. A key left empty says nothing, as everywhere;
`null` takes away what was there.
"""

from __future__ import annotations

from dataclasses import dataclass

from netlab.topology import values
from netlab.topology.faults import Faults, shown
from netlab.topology.reader import Mapping, Scalar, Value

Path = tuple[str, ...]
Entry = tuple[Scalar, Value]

_NOUNS = {"nodes": "node", "networks": "network", "kinds": "kind"}
_INTERFACES, _OF_ONE = "interfaces", ("address", "address6", "wire")


@dataclass(frozen=True, slots=True)
class Merging:
    """Lays trees over each other; a name to take away that is not there is a fault."""

    faults: Faults

    def over(self, base: Value, own: Value, path: Path = ()) -> Value:
        """Return `own` over `base`, which both stand under the keys of `path`, from the top."""
        if is_empty(own):
            return base
        base, own = _long(base, own, path)
        if not (isinstance(base, Mapping) and isinstance(own, Mapping)):
            return own
        merged = {key.text: (key, value) for key, value in base.entries}
        for key, value in own.entries:
            name = key.text
            if takes_away(value):
                self._take_away(merged, key, value, path)
            elif name not in merged:
                merged[name] = (key, value)
            elif not is_empty(value):
                merged[name] = (key, self.over(merged[name][1], value, (*path, name)))
        return Mapping(own.mark, tuple(merged.values()))

    def _take_away(self, merged: dict[str, Entry], key: Scalar, value: Value, path: Path) -> None:
        if key.text in merged:
            del merged[key.text]
        elif len(path) == 1 and path[0] in _NOUNS:
            what = f"there is no {_NOUNS[path[0]]} {shown(key.text)} to take away"
            self.faults.add(key.mark, what, values.suggest(key.text, tuple(merged)))
        else:
            # Nothing was said of it before, and it may be a default that is asked for.
            merged[key.text] = (key, value)


def is_empty(value: Value) -> bool:
    """Say whether a key is left empty, as in `address:`."""
    return isinstance(value, Scalar) and value.kind == "null" and not value.text


def takes_away(value: Value) -> bool:
    """Say whether a key's value is written as null (or ~)."""
    return isinstance(value, Scalar) and value.kind == "null" and bool(value.text)


def without(value: Mapping, *keys: str) -> Mapping:
    """Return a mapping without these keys."""
    return Mapping(value.mark, tuple(entry for entry in value.entries if entry[0].text not in keys))


def _long(base: Value, own: Value, path: Path) -> tuple[Value, Value]:
    """Return both in their long form where one is the short form of the other."""
    of_node = path[:1] in (("nodes",), ("kinds",))
    if len(path) == 2 and of_node:
        return _with_interfaces(base, own), _with_interfaces(own, base)
    if isinstance(base, Mapping) != isinstance(own, Mapping):
        if len(path) == 2 and path[0] == "networks":
            return _lengthened(base, "subnet"), _lengthened(own, "subnet")
        if len(path) == 4 and of_node and path[2] == _INTERFACES:
            return _lengthened(base, "address"), _lengthened(own, "address")
    return base, own


def _lengthened(value: Value, key: str) -> Value:
    """Return the mapping that a single value is short for."""
    if not isinstance(value, Scalar):
        return value
    entries = () if values.is_null(value) else ((Scalar(value.mark, key), value),)
    return Mapping(value.mark, entries)


def _with_interfaces(node: Value, other: Value) -> Value:
    """Return a node that has but an address or a wire with the one interface that the other has, and this.

    Where the other has several, nobody can tell which is meant: both stay, and that is a fault.
    """
    if not (isinstance(node, Mapping) and isinstance(other, Mapping)):
        return node
    has = {key.text: value for key, value in other.entries}
    networks = has.get(_INTERFACES)
    # One that the other takes away is left for it to do so.
    names = [name for name in _OF_ONE if name not in has or not takes_away(has[name])]
    own = [entry for entry in node.entries if entry[0].text in names and not values.is_null(entry[1])]
    if not own or not isinstance(networks, Mapping) or len(networks.entries) != 1:
        return node
    key, mark = Scalar(own[0][0].mark, _INTERFACES), own[0][1].mark
    interface = Mapping(mark, ((networks.entries[0][0], Mapping(mark, tuple(own))),))
    return Mapping(node.mark, (*without(node, *names).entries, (key, interface)))
