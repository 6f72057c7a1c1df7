"""Single values and plain tables of a topology: what each means, or None with the fault noted."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches
from typing import TypeGuard

from netlab.topology import slips
from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.language import elsewhere
from netlab.topology.reader import Mapping, Scalar, Sequence, Value

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_MAX_LISTED = 10
_MAX_NAME = 253

_KINDS = {
    "str": "text",
    "bool": "read by YAML as true or false",
    "int": "a number",
    "float": "a number",
    "null": "empty",
    "timestamp": "read by YAML as a date",
}


def suggest(word: str, known: Collection[str]) -> str:
    """Return the hint for a word that is not known: the nearest one that is, or what there is."""
    if (close := _close(word, known)) is not None:
        return f"did you mean '{close}'?"
    if not known:
        return "there is none to name"
    more = ", …" if len(known) > _MAX_LISTED else ""
    return "known here: " + ", ".join(list(known)[:_MAX_LISTED]) + more


def likely_key(word: str, keys: Collection[str]) -> str | None:
    """Return the key that a word which is none was most likely meant as."""
    return elsewhere.meant(word, keys) or _close(word, keys)


def _close(word: str, known: Collection[str]) -> str | None:
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1) if len(word) < _MAX_NAME else []
    return by_lower[close[0]] if close else None


def is_null(value: Value | None) -> bool:
    """Say whether a value is absent or left empty; both mean the default."""
    return value is None or (isinstance(value, Scalar) and value.kind == "null")


def entries(value: Value | None, expected: str, faults: Faults) -> tuple[tuple[Scalar, Value], ...] | None:
    """Return the entries of a mapping; () where it is left empty."""
    if value is None or is_null(value):
        return ()
    if isinstance(value, Mapping):
        return value.entries
    wrong_type(value, expected, faults)
    return None


def items(value: Value | None, expected: str, faults: Faults) -> tuple[Value, ...] | None:
    """Return the items of a list; () where it is left empty."""
    if value is None or is_null(value):
        return ()
    if isinstance(value, Sequence):
        return value.items
    wrong_type(value, expected, faults)
    return None


def fields(
    value: Value | None, keys: Collection[str], expected: str, faults: Faults
) -> dict[str, Value] | None:
    """Return a mapping with a fixed set of keys, without those left empty; unknown keys are faults."""
    if isinstance(value, Scalar) and (meant := slips.glued(value.text)) and meant[0] in keys:
        faults.add(value.mark, *slips.unglued(*meant))
        return None
    found = entries(value, expected, faults)
    if found is None:
        return None
    known = {}
    for key, entry in found:
        if key.text not in keys:
            hint = elsewhere.place(key.text, keys)
            if hint is None and (likely := likely_key(key.text, keys)):
                hint = f"did you mean '{likely}'?"
            faults.add(key.mark, f"unknown key {shown(key.text)}", hint or suggest(key.text, keys))
        elif not is_null(entry):
            known[key.text] = entry
    return known


def wrong_type(value: Value, expected: str, faults: Faults) -> None:
    """Note that a value is of a wrong type; `expected` is what should stand there, with an example."""
    hint = f"write {expected}"
    if isinstance(value, Mapping):
        faults.add(value.mark, "a mapping stands here", hint)
    elif isinstance(value, Sequence):
        faults.add(value.mark, "a list stands here", hint)
    else:
        kind = _KINDS.get(value.kind, "no more than a word")
        faults.add(
            value.mark, f"{shown(value.text)} is {kind}" if value.text else "nothing stands here", hint
        )


def _is_quoted(value: Value, pattern: str) -> TypeGuard[Scalar]:
    """Say whether a value is a text only for its quotes; unquoted it would match the pattern."""
    return (
        isinstance(value, Scalar)
        and value.kind == "str"
        and value.mark.width > len(value.text)
        and re.fullmatch(pattern, value.text) is not None
    )


def _unquote(value: Scalar, faults: Faults) -> None:
    what = f"{shown(value.text)} is text, for it is quoted"
    faults.add(value.mark, what, f"write it without quotes: {value.text}")


def text(
    value: Value, expected: str, faults: Faults, fits: Callable[[str], bool] = lambda _: False
) -> str | None:
    """Return a string; a number, a date and YAML's `no` are none; the hint is to quote what `fits`."""
    if isinstance(value, Scalar):
        if value.kind == "str":
            return value.text
        if value.kind != "null" and fits(value.text):
            what = f"{shown(value.text)} is {_KINDS.get(value.kind, 'no text')}"
            faults.add(value.mark, what, f'if it is meant as a word, quote it: "{value.text}"')
            return None
    wrong_type(value, expected, faults)
    return None


def integer(value: Value, low: int, high: int, faults: Faults) -> int | None:
    """Return a decimal number from `low` to `high`, both included."""
    expected = f"a whole number from {low} to {high}"
    if isinstance(value, Scalar) and (puzzle := _puzzle(value.text)):
        why, meant = puzzle
        hint = f"write {meant}" if low <= meant <= high else f"write {expected}"
        faults.add(value.mark, f"{shown(value.text)} is no plain decimal number: {why}", hint)
        return None
    if _is_quoted(value, r"0|[1-9][0-9]{0,30}") and low <= int(value.text) <= high:
        _unquote(value, faults)
        return None
    if not isinstance(value, Scalar) or value.kind != "int":
        wrong_type(value, expected, faults)
        return None
    if not re.fullmatch(r"[+-]?(0|[1-9][0-9]{0,30})", value.text):
        faults.add(value.mark, f"{shown(value.text)} is no plain decimal number", f"write {expected}")
        return None
    number = int(value.text)
    if not low <= number <= high:
        faults.add(value.mark, f"{number} is out of range", f"write {expected}")
        return None
    return number


def _puzzle(word: str) -> tuple[str, int] | None:
    """Return what YAML takes a word for that is no plain number, and the number that is most likely meant."""
    if found := re.fullmatch(r"0(o?)([0-7]{1,20})", word):
        meant = int(found[2], 8)
        return f"YAML {'1.2' if found[1] else '1.1'} reads it in base 8, as {meant}", meant
    if re.fullmatch(r"0x[0-9a-fA-F]{1,16}|0b[01]{1,64}", word):
        meant = int(word, 0)
        return f"YAML reads it in base {16 if word[1] == 'x' else 2}, as {meant}", meant
    if found := re.fullmatch(r"([1-9][0-9]{0,9}):([0-5]?[0-9])", word):
        meant = int(found[1]) * 60 + int(found[2])
        return f"YAML 1.1 reads it in base 60, as {meant}", meant
    if found := re.fullmatch(r"([1-9][0-9]{0,9})\.0*", word):
        return "YAML reads it as a fraction", int(found[1])
    if "_" in word and re.fullmatch(r"[1-9](_?[0-9]){1,30}", word):
        meant = int(word.replace("_", ""))
        return f"YAML 1.1 reads it as {meant}", meant
    return None


def one_of(value: Value, known: Collection[str], noun: str, faults: Faults) -> str | None:
    """Return a word out of those known."""
    expected = f"the name of a {noun}, as {next(iter(known), '…')}"
    word = text(value, expected, faults, known.__contains__)
    if word is None or word in known:
        return word
    faults.add(value.mark, f"unknown {noun} {shown(word)}", suggest(word, known))
    return None


def truth(value: Value, faults: Faults) -> bool | None:
    """Return true or false, in any of YAML 1.1's spellings."""
    if isinstance(value, Scalar) and value.kind == "bool":
        return value.text.lower() in ("true", "yes", "on")
    if _is_quoted(value, "true|false"):
        _unquote(value, faults)
        return None
    wrong_type(value, "true or false", faults)
    return None


def is_false(value: Value) -> bool:
    """Say whether a value is false, in any of YAML 1.1's spellings."""
    return isinstance(value, Scalar) and value.kind == "bool" and value.text.lower() in ("false", "no", "off")


def is_label(word: str) -> bool:
    """Say whether a word is a hostname label (RFC 1123, section 2.1)."""
    return _LABEL.fullmatch(word) is not None


def label(word: str, mark: Mark, noun: str, faults: Faults) -> bool:
    """Note a fault unless the word can name a node, a network or a lab."""
    if word.lower() == "localhost":
        faults.add(mark, "the name 'localhost' is taken by every host", "choose another name")
        return False
    if noun == "node" and word.isdigit():
        what = f"the name {shown(word)} is an address to every program: digits alone mean 0.0.0.{word}"
        faults.add(mark, what, "let it begin with a letter, as in h1")
        return False
    if is_label(word):
        return True
    rule = "1 to 63 letters, digits and hyphens, none of these at either end"
    faults.add(mark, f"{shown(word)} cannot name a {noun}: no hostname label (RFC 1123)", rule)
    return False


def domain(value: Value, faults: Faults) -> str | None:
    """Return a domain name without its final dot."""
    word = text(value, "a domain name, as lab.test", faults)
    if word is None:
        return None
    name = word.removesuffix(".")
    if len(name) <= _MAX_NAME and all(map(is_label, name.split("."))):
        return name
    faults.add(value.mark, f"{shown(word)} is no domain name", "write labels and dots, as lab.test")
    return None


def once(names: Iterable[Scalar], noun: str, faults: Faults) -> None:
    """Note names that differ in case alone: to DNS they are the same."""
    first: dict[str, Scalar] = {}
    for name in names:
        earlier = first.setdefault(name.text.lower(), name)
        if earlier is not name:
            what = f"the {noun} {shown(name.text)} differs from {shown(earlier.text)} in case alone"
            faults.add(name.mark, what, f"rename one; the first is at {faults.place(earlier.mark)}")
