"""The language's dictionary as a JSON Schema (draft 2020-12), by which editors complete and check a topology.

It sees one file by itself. What merging may still add (`extends`, `kind`) is asked for only where nothing is
merged, null is let stand where it may take something away, and merge keys (`<<`) are the parser's to expand.
Every keyword means the same in draft 7, which most editors know. Its counterpart, for people, is
`netlab.report.reference`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from netlab.topology.language.shapes import (
    ByName,
    Either,
    Key,
    ListOf,
    OneOf,
    Only,
    Section,
    Shape,
    Single,
    Text,
    Truth,
    Whole,
)

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_BOOLEANS: tuple[bool | str, ...] = (
    *(True, False),
    # YAML 1.1's other spellings are texts to YAML 1.2.
    *(word for name in ("yes", "no", "on", "off") for word in (name, name.capitalize(), name.upper())),
)
_NULL = {"type": "null"}
Schema = dict[str, Any]


def text(top: Section) -> str:
    """Return the schema of a file, as it is committed: indented, with a final new line."""
    return json.dumps(schema(top), indent=2, ensure_ascii=False) + "\n"


def schema(top: Section) -> Schema:
    """Return the schema of a file whose mapping at the top is `top`."""
    writing = _Writing()
    whole = writing.section(top)
    return {
        "$schema": DRAFT,
        "title": "A topology of netlab",
        **whole,
        # The definitions of what a file is by itself; null at the very top is an empty file.
        "type": "object",
        **_unless_merged(top, _complete(top)),
        "$defs": dict(sorted(writing.definitions.items())),
    }


class _Writing:
    """Collects the definitions of sections as they are come by."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._counted = False

    def section(self, section: Section) -> Schema:
        """Return a mapping with these keys, each of which may be left empty."""
        made: Schema = {
            "type": ["object", "null"],
            "description": _plain(section.about),
            "properties": {key.name: self._key(key) for key in section.keys},
            "additionalProperties": False,
        }
        if section.only:
            made["allOf"] = [_together(only) for only in section.only]
        return made

    def _key(self, key: Key) -> Schema:
        says: Schema = {"description": _described(key)}
        if key.default is not None:
            says["default"] = key.default
        if key.example is not None:
            says["examples"] = [key.example]
        return says | _or_null(self.shape(key.shape))

    def shape(self, shape: Shape) -> Schema:  # noqa: PLR0911 — one for each shape
        """Return what fits, null left aside."""
        match shape:
            case Section():
                return self._reference(shape)
            case ByName():
                named: Schema = {"type": "object"}
                if shape.key.pattern:
                    named["propertyNames"] = {"pattern": self._whole(shape.key.pattern)}
                return named | {"additionalProperties": _or_null(self.shape(shape.value))}
            case ListOf():
                least = {"minItems": shape.least} if shape.least else {}
                return {"type": "array", **least, "items": self._item(shape.item)}
            case Either():
                return {"anyOf": [self.shape(one) for one in shape.shapes]}
            case Truth():
                return {"enum": list(_BOOLEANS)}
            case OneOf():
                return {"enum": list(shape.words)}
            case Whole():
                bounds = {"minimum": shape.low, "maximum": shape.high}
                return {"type": "integer"} | {
                    key: value for key, value in bounds.items() if value is not None
                }
            case Single():
                return {"type": ["string", "number", "boolean", *(["null"] if shape.or_null else [])]}
            case Text():
                pattern = {"pattern": self._whole(shape.pattern)} if shape.pattern else {}
                return {"type": "string", **pattern}

    def _whole(self, pattern: str) -> str:
        """Return a pattern of whole texts; where nodes are counted, those with a number in them fit too."""
        return f"^({pattern})$" + r"|\{n\}" * self._counted

    def _item(self, shape: Shape) -> Schema:
        """Return what fits in a list: complete, and never null unless null is a word there."""
        if isinstance(shape, Either):
            return {"anyOf": [self._item(one) for one in shape.shapes]}
        if isinstance(shape, Section):
            return {"allOf": [self._reference(shape), {"type": "object", **_complete(shape)}]}
        return self.shape(shape)

    def _reference(self, section: Section) -> Schema:
        name = section.name
        if name not in self.definitions:
            outer, self._counted = self._counted, self._counted or section.counted
            self.definitions[name] = {"title": section.title, **self.section(section)}
            self._counted = outer
            if section.unless:
                self.definitions[f"{name}-complete"] = _unless_merged(section, _complete(section))
        return {"$ref": f"#/$defs/{name}"}


def _or_null(schema: Schema) -> Schema:
    """Let null stand as well: a key left empty says nothing, or takes away."""
    if "$ref" in schema:
        return schema  # a section's own definition has it
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], _NULL]}
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*kinds, "null"]}


def _plain(markdown: str) -> str:
    """Return a text without its line ends and links."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(markdown.split()))


def _described(key: Key) -> str:
    return f"{key.meaning} Default: {key.otherwise}." if key.otherwise else key.meaning


def _together(only: Only) -> Schema:
    """Return that one key goes only with some words of another."""
    allowed: Schema = {"properties": {only.other: {"enum": [*only.words, None]}}}
    named: Schema = {"required": [only.other], "properties": {only.other: {"enum": list(only.words)}}}
    then = named if only.needed else allowed
    if only.implied_by:
        then = {"anyOf": [named, {"allOf": [allowed, _there(only.implied_by)]}]}
    return {"if": _there(only.key), "then": then}


def _there(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"not": _NULL}}}


def _unless_merged(section: Section, constraint: Schema) -> Schema:
    """Return what must hold of a mapping unless it has the key that lays it over another."""
    if not section.unless:
        return constraint
    return {"if": {"properties": {section.unless: _NULL}}, "then": constraint}


def _complete(shape: Shape) -> Schema:
    """Return what must hold in the end beside what holds at once; it asks nothing of other types."""
    match shape:
        case Section():
            return _complete_section(shape)
        case ByName(partial=False):
            value = _complete_inside(shape.value)
            if not shape.or_empty:
                value = {"not": _NULL, **value}
            made: Schema = {"minProperties": shape.least} if shape.least else {}
            return made | ({"additionalProperties": value} if value else {})
        case Either():
            return next((found for one in shape.shapes if (found := _complete(one))), {})
        case _:
            return {}


def _complete_inside(shape: Shape) -> Schema:
    """Return the same of a value below: what may be of a kind has a definition of its own."""
    if isinstance(shape, Section) and shape.unless:
        return {"$ref": f"#/$defs/{shape.name}-complete"}
    return _complete(shape)


def _complete_section(section: Section) -> Schema:
    properties: Schema = {}
    for key in section.keys:
        inner = _complete_inside(key.shape)
        if key.name in section.required or (
            section.null_counts and (inner or not isinstance(key.shape, Section))
        ):
            inner = {"not": _NULL, **inner}
        if inner:
            properties[key.name] = inner
    made: Schema = {"required": list(section.required)} if section.required else {}
    if properties:
        made["properties"] = properties
    if section.one_of:
        made |= {"if": {"type": "object"}, "then": {"oneOf": [_there(name) for name in section.one_of]}}
    return made
