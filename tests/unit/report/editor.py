"""What an editor with the schema makes of a topology: where it would underline something.

Editors read YAML 1.2 (its core schema, section 10.3), expand merge keys before they look at the schema, and
tell of double keys, unknown aliases and tags by themselves; so does this. libyaml's scanner stands in for
theirs: what the two versions of YAML differ in there (tabs, some line breaks) no topology depends on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

Place = tuple[int, int]  # line and column, from 1
MAX_VALUES = 20_000
_TAG = "tag:yaml.org,2002:"


class UnreadableError(Exception):
    """The parser tells of it by itself, before any schema is looked at."""


class TooLargeError(Exception):
    """Aliases come to more than anybody would look through."""


class _Core(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Plain scalars as YAML 1.2's core schema resolves them, and the merge key."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 — PyYAML's own


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
):
    _Core.add_implicit_resolver(_TAG + _kind, re.compile(f"(?:{_pattern})\\Z"), _first)


@dataclass
class Document:
    """A document as the schema sees it, and where each value and key of it stands."""

    value: Any
    places: dict[tuple[str | int, ...], set[Place]]

    def marks(self, validator: Draft202012Validator) -> set[Place]:
        """Return the places that are underlined."""
        return {
            place
            for error in validator.iter_errors(self.value)
            for leaf in _leaves(error)
            for path in _paths(leaf)
            for place in self.places.get(path, ())
        }


def documents(text: str) -> list[Document]:
    """Read a text; UnreadableError where the parser stops, TooLargeError where it would go on for ever."""
    try:
        nodes = list(yaml.compose_all(text, Loader=_Core)) or [None]
    except (yaml.YAMLError, ValueError) as error:
        raise UnreadableError(str(error)) from None
    made = []
    for node in nodes:
        reading = _Reading()
        made.append(Document(reading.value(node, ()) if node is not None else None, reading.places))
    return made


@dataclass
class _Reading:
    """One document being read."""

    places: dict[tuple[str | int, ...], set[Place]] = field(default_factory=dict)
    above: list[int] = field(default_factory=list)
    left: int = MAX_VALUES

    def value(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self.left -= 1
        if self.left < 0:
            raise TooLargeError
        if id(node) in self.above:
            raise UnreadableError("an alias within what it repeats")
        self.places.setdefault(path, set()).add(_place(node))
        self.above.append(id(node))
        try:
            match node:
                case yaml.ScalarNode():
                    return _scalar(node)
                case yaml.SequenceNode(tag=tag) if tag == _TAG + "seq":
                    return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
                case yaml.MappingNode(tag=tag) if tag == _TAG + "map":
                    return self._mapping(node, path)
        finally:
            self.above.pop()
        raise UnreadableError(f"unknown tag {node.tag}")

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        made = {}
        for name, (key, value) in self._entries(node).items():
            self.places.setdefault((*path, name), set()).add(_place(key))
            made[name] = self.value(value, (*path, name))
        return made

    def _entries(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return a mapping's own entries over those that it merges, of which the first in a list win."""
        self.left -= len(node.value)
        if self.left < 0:
            raise TooLargeError
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in own:
                raise UnreadableError("a key that is none, or is there twice")
            if key.tag != _TAG + "merge":
                own[key.value] = (key, value)
                continue
            for one in reversed(value.value if isinstance(value, yaml.SequenceNode) else [value]):
                if isinstance(one, yaml.MappingNode):
                    merged |= self._entries(one)
                elif one.tag != _TAG + "null":
                    raise UnreadableError("only a mapping can be merged")
        return merged | own


def _scalar(node: yaml.ScalarNode) -> Any:
    text = node.value
    match node.tag.removeprefix(_TAG):
        case "str" | "merge":
            return text
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        case "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    raise UnreadableError(f"unknown tag {node.tag}")


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    if not error.context:
        yield error
    for inner in error.context:
        yield from _leaves(inner)


def _paths(error: ValidationError) -> Iterator[tuple[str | int, ...]]:
    """Yield what an error is about: a value, or the key that may not be there."""
    path = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and error.validator_value is False:
        yield from ((*path, name) for name in error.instance if name not in error.schema["properties"])
    elif "propertyNames" in error.absolute_schema_path:
        yield (*path, error.instance)
    else:
        yield path
