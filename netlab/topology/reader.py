"""YAML text to a tree in which every value knows its place; duplicate keys are found here.

The tree is composed from the parser's events, not by yaml.compose: that one recurses (in C, until the
process dies) on deep nesting, and expands aliases before anyone could count them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import yaml

from netlab.topology import slips
from netlab.topology.faults import TOP, Faults, Mark, shown

MAX_DEPTH = 32
MAX_VALUES = 200_000  # after aliases are expanded

# What YAML 1.1 (section 5.1) allows in a stream, negated; libyaml names no line for such a character.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
Resolve = Callable[[type[yaml.Node], str, tuple[bool, bool]], str]

_STANDARD_TAG = "tag:yaml.org,2002:"
# What YAML 1.2 (section 10.3.2) takes for a number, as 1e3, 0o17 and 08, whatever YAML 1.1 says.
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+")
_BEGINS_NUMBER = frozenset("+-.0123456789")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: its text, unquoted, and what YAML takes it for (str, int, float, bool, null, …)."""

    mark: Mark
    text: str
    kind: str = "str"


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of values."""

    mark: Mark
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with their values, in the order of the file; a key is its text, whatever YAML takes it for."""

    mark: Mark
    entries: tuple[tuple[Scalar, Value], ...]


Value = Scalar | Sequence | Mapping


class _StopError(Exception):
    """The rest of the file cannot be read; the fault is noted."""


def read(text: str, faults: Faults, file: str = "") -> Value | None:
    """Return the tree of a text; None where it is empty or no YAML, with the fault noted.

    `file` goes into its marks: it is known to `faults`, or empty for the file that these are about.
    """
    bad = _FORBIDDEN.search(text)
    if bad:
        before = text[: bad.start()]
        column = bad.start() - (max(before.rfind("\n"), before.rfind("\r")) + 1) + 1
        line = 1 + len(re.findall("\r\n|[\n\r]", before))
        what = f"the character U+{ord(bad.group()):04X} may not stand in YAML"
        hint = "delete it, or write it as an escape in double quotes"
        faults.add(Mark(line, column, file=file), what, hint)
        return None
    try:
        return _compose(text, faults, file)
    except yaml.MarkedYAMLError as error:
        _note_syntax(error, text, faults, file)
    except yaml.YAMLError as error:
        faults.add(TOP._replace(file=file), "this is not YAML", str(error).partition("\n")[0])
    except _StopError:
        pass
    return None


def _note_syntax(error: yaml.MarkedYAMLError, text: str, faults: Faults, file: str) -> None:
    """Turn the parser's words into a fault at the place that it stopped."""
    lines = text.splitlines() or [""]
    marks = [at for at in (error.problem_mark, error.context_mark) if at and at.line < len(lines)]
    # A bracket or quote that is never closed is found at the very end: it is shown where it opens.
    at = (marks[0].line + 1, marks[0].column + 1) if marks else (len(lines), len(lines[-1]) or 1)
    mark = Mark(*at, file=file)
    if slip := slips.before(lines, mark.line - 1, error.problem or ""):
        faults.add(Mark(slip.line + 1, slip.column + 1, slip.width, file), slip.what, slip.hint)
        return
    hint = "check quotes, brackets, colons and indentation up to here"
    if error.problem == "found unexpected ':'":
        hint = "YAML wants a blank after the colon"
    if error.context and error.context_mark:
        # Only the line: its text is above the fault, where the reader looks next.
        hint = f"{error.context}, which begins on line {error.context_mark.line + 1}: {hint}"
    faults.add(mark, f"this is not YAML: {error.problem}", hint)


@dataclass(slots=True)
class _Open:
    """A collection that is still being read."""

    start: yaml.CollectionStartEvent
    mapping: bool
    items: list[Value] = field(default_factory=list)
    entries: list[tuple[Scalar, Value]] = field(default_factory=list)
    keys: dict[str, Mark] = field(default_factory=dict)
    merged: tuple[Scalar, Value] | None = None  # the key << with what stands under it
    key: Value | None = None
    size_before: int = 0


class _Composer:
    """Events in, one finished tree out; a stack stands where recursion would."""

    def __init__(self, faults: Faults, resolve: Resolve, file: str) -> None:
        self.root: Value | None = None
        self._file = file
        self._faults = faults
        self._resolve = resolve
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._size = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the parser's next event."""
        match event:
            case yaml.ScalarEvent():
                self._count(1, event)
                scalar = self._scalar(event)
                self._remember(event.anchor, scalar, 1)
                self._attach(scalar)
            case yaml.CollectionStartEvent():
                self._open(event)
            case yaml.CollectionEndEvent():
                self._close(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._stop(self._mark(event), "a second YAML document begins", "one topology to a file")

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._check_tag(event, "map" if mapping else "seq")
        self._count(1, event)
        if len(self._stack) >= MAX_DEPTH:
            self._stop(self._mark(event), f"nested more than {MAX_DEPTH} deep", "a topology needs far less")
        self._stack.append(_Open(event, mapping, size_before=self._size - 1))

    def _close(self, event: yaml.CollectionEndEvent) -> None:
        done = self._stack.pop()
        value: Value
        if done.mapping:
            entries = done.entries if done.merged is None else self._merge(*done.merged, done.entries)
            value = Mapping(self._collection_mark(done, event), tuple(entries))
        else:
            value = Sequence(self._collection_mark(done, event), tuple(done.items))
        self._remember(done.start.anchor, value, self._size - done.size_before)
        self._attach(value)

    def _alias(self, event: yaml.AliasEvent) -> None:
        anchor = event.anchor or ""
        if anchor not in self._anchors:
            what, hint = (
                "refers to no anchor before it",
                f"write {shown('&' + anchor)} before what it repeats",
            )
            if any(anchor == outer.start.anchor for outer in self._stack):
                what, hint = "stands within the value that it repeats", "write out what is meant"
            self._stop(self._mark(event), f"the alias {shown('*' + anchor)} {what}", hint)
        value, size = self._anchors[anchor]
        self._count(size, event)
        self._attach(value)

    def _attach(self, value: Value) -> None:
        """Hand a finished value to the collection it stands in."""
        if not self._stack:
            self.root = value
            return
        parent = self._stack[-1]
        if not parent.mapping:
            parent.items.append(value)
        elif parent.key is None:
            parent.key = value
        else:
            key, parent.key = parent.key, None
            self._enter(parent, key, value)

    def _enter(self, parent: _Open, key: Value, value: Value) -> None:
        """Add an entry to a mapping, unless its key is one that no topology can have."""
        if not isinstance(key, Scalar):
            self._faults.add(key.mark, "a list or mapping stands as a key", "a key is a word: quote it")
            return
        first = parent.keys.setdefault(key.text, key.mark)
        if first is not key.mark:
            what = f"the key {shown(key.text)} is there twice"
            hint = f"keep one; the first is at {self._faults.place(first)}"
            if key.kind == "merge":
                hint = "write a list, as <<: [*a, *b], in which the first wins"
            self._faults.add(key.mark, what, hint)
            return
        if key.kind == "merge":
            parent.merged = (key, value)
            return
        if isinstance(value, Scalar) and value.mark.width == 0:
            if parent.start.flow_style and (meant := self._unglued(key, value)):
                parent.entries.append(meant)
                return
            # An empty value has no characters of its own: its key stands for it.
            value = Scalar(key.mark, value.text, value.kind)
        parent.entries.append((key, value))

    def _unglued(self, key: Scalar, empty: Scalar) -> tuple[Scalar, Scalar] | None:
        """Return the entry that a word alone in braces is meant as, as {lan:10.0.0.1}, or None."""
        mark = key.mark
        is_plain, is_alone = mark.width == len(key.text), empty.mark.column == mark.column + mark.width
        meant = slips.glued(key.text) if is_plain and is_alone else None
        if meant is None:
            return None
        self._faults.add(mark, *slips.unglued(*meant))
        word, text = meant
        at = mark._replace(column=mark.column + len(word) + 1, width=len(text))
        value = Scalar(at, text, self._kind(text, (True, False)))
        return Scalar(mark._replace(width=len(word)), word, key.kind), value

    def _merge(
        self, key: Scalar, merged: Value, own: list[tuple[Scalar, Value]]
    ) -> list[tuple[Scalar, Value]]:
        """Return a mapping's own entries over those that it merges (YAML's merge key type).

        Their values were counted where the alias or mapping under << was read: this adds nothing.
        """
        entries: dict[str, tuple[Scalar, Value]] = {}
        for mapping in reversed(merged.items if isinstance(merged, Sequence) else (merged,)):
            if isinstance(mapping, Mapping):
                entries |= {entry[0].text: entry for entry in mapping.entries}
            elif not (isinstance(mapping, Scalar) and mapping.kind == "null"):
                hint = "write an alias of a mapping, as <<: *name"
                self._faults.add(key.mark, "only a mapping can be merged", hint)
        return list((entries | {entry[0].text: entry for entry in own}).values())

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        kind = "str"
        if "\0" in event.value:
            # No path, variable or word of a command can have one.
            self._faults.add(self._mark(event), "a text with the character NUL", "leave it out")
        if event.tag is not None and event.tag != "!":
            kind = self._check_tag(event, "str")
        elif event.implicit[0]:
            if slips.begins_foreign(event.value) and (slip := slips.foreign(event.value)):
                mark = self._mark(event)._replace(width=slip.width)
                self._stop(mark, slip.what, slip.hint)
            kind = self._kind(event.value, event.implicit)
        return Scalar(self._mark(event), event.value, kind)

    def _kind(self, text: str, implicit: tuple[bool, bool]) -> str:
        """Return what YAML takes a plain word for; keys too, for nothing, which is cheaper."""
        kind = self._resolve(yaml.ScalarNode, text, implicit).removeprefix(_STANDARD_TAG)
        if kind == "str" and text[:1] in _BEGINS_NUMBER and _NUMBER.fullmatch(text):
            return "float"
        return kind

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, default: str) -> str:
        """Return the kind that an explicit tag names; one that is not YAML's own is a fault."""
        if event.tag is None or event.tag == "!":
            return default
        if event.tag.startswith(_STANDARD_TAG) and event.tag[len(_STANDARD_TAG) :].isalpha():
            return str(event.tag.removeprefix(_STANDARD_TAG))
        self._faults.add(self._mark(event), f"the tag {shown(event.tag)} means nothing here", "delete it")
        return default

    def _remember(self, anchor: str | None, value: Value, size: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, size)

    def _count(self, size: int, event: yaml.Event) -> None:
        self._size += size
        if self._size > MAX_VALUES:
            what = f"the file expands to more than {MAX_VALUES} values"
            self._stop(self._mark(event), what, "use fewer aliases, or split the topology")

    def _stop(self, mark: Mark, what: str, hint: str) -> NoReturn:
        self._faults.add(mark, what, hint)
        raise _StopError

    def _mark(self, event: yaml.Event) -> Mark:
        """Return an event's place; one of several lines is as wide as the first (cut when drawn)."""
        start, end = event.start_mark, event.end_mark
        assert start is not None, "a parser's events have marks"
        assert end is not None, "a parser's events have marks"
        width = end.column - start.column if end.line == start.line else 1 << 20
        return Mark(start.line + 1, start.column + 1, width, self._file)

    def _collection_mark(self, done: _Open, end: yaml.CollectionEndEvent) -> Mark:
        """Underline a collection in brackets whole, one in block style by its first key or dash."""
        start, last = self._mark(done.start), self._mark(end)
        if not done.start.flow_style:
            return next(iter(done.keys.values()), start._replace(width=1))
        if last.line != start.line:
            return start._replace(width=1 << 20)
        return start._replace(width=last.column + last.width - start.column)


def _compose(text: str, faults: Faults, file: str) -> Value | None:
    parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        composer = _Composer(faults, parser.resolve, file)
        while parser.check_event():
            composer.take(parser.get_event())
    finally:
        parser.dispose()
    return composer.root
