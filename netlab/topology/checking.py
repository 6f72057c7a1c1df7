"""Whether a value has the form that the language's dictionary asks for: for kinds, of which no node may be.

What nodes themselves say is read, and judged, word by word; so is what they take over from a kind. What a
kind says beside that is looked at here, so that it is not found wrong only when somebody comes to use it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from netlab.topology import values
from netlab.topology.copies import NUMBER
from netlab.topology.faults import Faults, shown
from netlab.topology.language.shapes import (
    ByName,
    Either,
    ListOf,
    OneOf,
    Section,
    Shape,
    Single,
    Text,
    Truth,
    Whole,
    words,
)
from netlab.topology.reader import Mapping, Scalar, Sequence, Value


def check(value: Value, shape: Shape, faults: Faults) -> None:
    """Note what does not fit, each at its own place; a value that is left empty, or null, fits."""
    _Checking(faults).value(value, shape)


@dataclass(frozen=True, slots=True)
class _Checking:
    """A value being looked at; `complete`: it is in a list, where nothing is merged into it any more."""

    faults: Faults
    complete: bool = False

    def value(self, value: Value, shape: Shape) -> None:
        if values.is_null(value):
            return
        fitting = _alternative(value, shape)
        match fitting, value:
            case Section(), Mapping():
                self._section(value, fitting)
            case ByName(), Mapping():
                self._by_name(value, fitting)
            case ListOf(), Sequence():
                self._list(value, fitting)
            case _, Scalar() if _is_fit(value, fitting):
                pass
            case _:
                self._misfit(value, shape)

    def _section(self, value: Mapping, section: Section) -> None:
        before = len(self.faults)
        known = values.fields(value, section.names, words(section, _keys), self.faults) or {}
        for key in section.keys:
            if key.name in known:
                self.value(known[key.name], key.shape)
        if len(self.faults) > before:
            return
        for only in section.only:
            other = known.get(only.other)
            word = other.text if isinstance(other, Scalar) else None
            needed = only.needed and only.implied_by not in known
            if only.key in known and word not in only.words and (word is not None or needed):
                what = f"{only.key} goes only with {only.other}: {' or '.join(only.words)}"
                self.faults.add(known[only.key].mark, what, "write that beside it, or delete it")
        if self.complete:
            self._check_complete(value, section, known)

    def _check_complete(self, value: Mapping, section: Section, known: dict[str, Value]) -> None:
        for key in section.keys:
            if key.name in section.required and key.name not in known:
                hint = f"write {key.name}: and {words(key.shape, _keys)}"
                self.faults.add(value.mark, f"{key.name} is missing", hint)
        if section.one_of and sum(name in known for name in section.one_of) != 1:
            hint = f"write one of {', '.join(section.one_of)}"
            self.faults.add(value.mark, "just one of these keys must be there", hint)

    def _by_name(self, value: Mapping, shape: ByName) -> None:
        for key, entry in value.entries:
            if not _matches(key.text, shape.key.pattern):
                hint = f"write {shape.key.what}, as {shape.key.like}"
                self.faults.add(key.mark, f"{shown(key.text)} does not fit here", hint)
            self.value(entry, shape.value)

    def _list(self, value: Sequence, shape: ListOf) -> None:
        inner = _Checking(self.faults, complete=True)
        if len(value.items) < shape.least:
            self._misfit(value, shape)
        for item in value.items:
            if values.is_null(item):
                if not _takes_null(shape.item):
                    self._misfit(item, shape.item)
            else:
                inner.value(item, shape.item)

    def _misfit(self, value: Value, shape: Shape) -> None:
        expected = words(shape, _keys)
        if isinstance(value, Scalar) and value.kind in ("str", "int"):
            self.faults.add(value.mark, f"{shown(value.text)} does not fit here", f"write {expected}")
        else:
            values.wrong_type(value, expected, self.faults)


def _alternative(value: Value, shape: Shape) -> Shape:
    """Return the alternative that a value is of, by its type; the last where it is of none."""
    if not isinstance(shape, Either):
        return shape
    for one in shape.shapes:
        match one, value:
            case (Section() | ByName(), Mapping()) | (ListOf(), Sequence()):
                return one
            case _, Scalar() if _is_fit(value, one):
                return one
    return shape.shapes[-1]


def _is_fit(value: Scalar, shape: Shape) -> bool:
    match shape:
        case Text(pattern=pattern):
            return value.kind == "str" and _matches(value.text, pattern)
        case OneOf(words=known):
            return value.kind == "str" and value.text in known
        case Whole():
            return value.kind == "int" and _is_within(value.text, shape)
        case Truth():
            return value.kind == "bool"
        case _:
            return isinstance(shape, Single)


def _is_within(text: str, bounds: Whole) -> bool:
    if not re.fullmatch(r"[+-]?(0|[1-9][0-9]{0,30})", text):
        return False
    low_enough = bounds.high is None or int(text) <= bounds.high
    return low_enough and (bounds.low is None or bounds.low <= int(text))


def _matches(text: str, pattern: str) -> bool:
    return not pattern or NUMBER in text or re.fullmatch(pattern, text) is not None


def _takes_null(shape: Shape) -> bool:
    if isinstance(shape, Either):
        return any(map(_takes_null, shape.shapes))
    return isinstance(shape, Single) and shape.or_null


def _keys(section: Section) -> str:
    return f"its keys, as {section.names[0]}:"
