"""What may stand somewhere in a topology: the shapes that the language's dictionary is written in.

A key that is left empty says nothing, so null fits wherever a key or a name has a value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeAlias

Json: TypeAlias = "None | bool | int | str | list[Json] | dict[str, Json]"


@dataclass(frozen=True, slots=True)
class Text:
    """A text: `what` it is, with its article, and one that would be right.

    The whole of it matches `pattern`, which is in what ECMA-262 and Python's `re` have in common; a text of a
    node may have `{n}` in it instead, its number.
    """

    what: str
    like: str = ""
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number; both bounds are included, None is no bound."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """True or false, in any of YAML 1.1's spellings."""


@dataclass(frozen=True, slots=True)
class Single:
    """Any single value, taken as the text that stands there, whatever YAML takes it for."""

    what: str
    or_null: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """A word out of a closed set; a mapping has what each means."""

    words: Collection[str]
    noun: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, which replaces what it is merged over: what is in it is complete."""

    item: Shape
    least: int = 0


@dataclass(frozen=True, slots=True)
class ByName:
    """A mapping whose keys are the user's; unless `or_empty`, each must have a value in the end.

    It has at least so many in the end: what it is merged over counts too.
    """

    key: Text
    value: Shape
    least: int = 0
    or_empty: bool = True


@dataclass(frozen=True, slots=True)
class Either:
    """Alternatives, of which a value fits one; at most one of them is a list, and one a mapping."""

    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the language: what may stand under it, what it means, and what holds without it.

    `default` is the value that stands for its absence; `otherwise` says in words what a value cannot.
    """

    name: str
    shape: Shape
    meaning: str
    default: Json = None
    otherwise: str = ""
    example: Json = None


@dataclass(frozen=True, slots=True)
class Only:
    """`key` goes only with one of these words under `other`; `needed`: which must then be there."""

    key: str
    other: str
    words: tuple[str, ...]
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with keys of the language, which is a section of the reference.

    `required` keys, and just one out of `one_of`, must be there in the end: what they are merged over counts
    too, which is the file itself unless it has the key `unless`. `null_counts` says that a key left empty is there.
    `example` is a whole topology; `about` and `notes` are Markdown.
    """

    name: str
    title: str
    about: str
    keys: tuple[Key, ...]
    example: str
    notes: str = ""
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    only: tuple[Only, ...] = ()
    unless: str = ""
    null_counts: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The keys, in the order of the reference."""
        return tuple(key.name for key in self.keys)


Shape: TypeAlias = Text | Whole | Truth | Single | OneOf | ListOf | ByName | Either | Section


def words(shape: Shape, of_section: Callable[[Section], str]) -> str:
    """Say in words what fits, where `of_section` names a section."""
    match shape:
        case Text(what=what) | Single(what=what):
            return what
        case Whole(low=None, high=None):
            return "a whole number"
        case Whole(low=low, high=high):
            return f"a whole number from {low} to {high}"
        case Truth():
            return "true or false"
        case OneOf(words=known):
            return "one of " + ", ".join(known) if len(known) > 1 else next(iter(known), "nothing")
        case ListOf(item=item):
            return f"a list, each {words(item, of_section)}"
        case ByName(key=key, value=value):
            return f"for {key.what}: {words(value, of_section)}"
        case Either(shapes=shapes):
            return ", or ".join(words(one, of_section) for one in shapes)
        case Section():
            return of_section(shape)
