"""What may stand somewhere in a topology: the shapes that the language's dictionary is written in.

A key that is left empty says nothing, so null fits wherever a key or a name has a value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeAlias

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"


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
    """A mapping whose keys are the user's, each such a text; unless `or_empty`, each has a value in the end.

    It has at least so many in the end: what it is merged over counts too. What is `partial` is only ever laid
    under something else, and need not be complete.
    """

    key: Text
    value: Shape
    least: int = 0
    or_empty: bool = True
    partial: bool = False


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
    """`key` goes only with one of these words under `other`, which must then be there if it is `needed`.

    What is needed may be left out where the key `implied_by` is there.
    """

    key: str
    other: str
    words: tuple[str, ...]
    needed: bool = False
    implied_by: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with keys of the language, which is a section of the reference.

    `required` keys, and just one out of `one_of`, must be there in the end: what the mapping is merged over
    counts too, and it can only be where there is a key `unless`. `null_counts`: a key left empty is there.
    `counted`: its texts, and those below, may have `{n}` in them. `example` is a whole topology; `about` and
    `notes` are Markdown.
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
    counted: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The keys, in the order of the reference."""
        return tuple(key.name for key in self.keys)


@dataclass(frozen=True, slots=True)
class Note:
    """What the reference says beside its sections; `about` is Markdown, each example a whole topology."""

    title: str
    about: str
    examples: tuple[str, ...] = ()


Shape: TypeAlias = Text | Whole | Truth | Single | OneOf | ListOf | ByName | Either | Section


def sections(shape: Shape, found: dict[str, Section] | None = None) -> dict[str, Section]:
    """Return the sections that a shape is made of, itself among them, by name."""
    found = {} if found is None else found
    match shape:
        case Section():
            if shape.name not in found:
                found[shape.name] = shape
                for key in shape.keys:
                    sections(key.shape, found)
        case ByName():
            sections(shape.value, found)
        case ListOf():
            sections(shape.item, found)
        case Either():
            for one in shape.shapes:
                sections(one, found)
    return found


def words(shape: Shape, of_section: Callable[[Section], str], of_word: Callable[[str], str] = str) -> str:
    """Say in words what fits; `of_section` names a section, `of_word` shows a word of the language."""
    match shape:
        case Text(what=what, like=like) if like:
            told = f"{what}, as {of_word(like)}"
        case Text(what=what) | Single(what=what):
            told = what
        case Whole(low=None, high=None):
            told = "a whole number"
        case Whole(low=low, high=high):
            told = f"a whole number from {low} to {high}"
        case Truth():
            told = "true or false"
        case OneOf(words=known):
            told = " ".join(["one of"] * (len(known) > 1) + [", ".join(map(of_word, known))])
        case ListOf(item=item):
            told = f"a list, each {words(item, of_section, of_word)}"
        case ByName(key=key, value=value):
            told = f"for each {key.what.partition(' ')[2]}: {words(value, of_section, of_word)}"
        case Either(shapes=shapes):
            told = ", or ".join(
                "a list of such" if _is_list_of(one, shapes) else words(one, of_section, of_word)
                for one in shapes
            )
        case Section():
            told = of_section(shape)
    return told


def _is_list_of(shape: Shape, others: tuple[Shape, ...]) -> bool:
    """Say whether a shape is a list of what may stand there without brackets too."""
    if not isinstance(shape, ListOf):
        return False
    items = shape.item.shapes if isinstance(shape.item, Either) else (shape.item,)
    return all(other in items for other in others if other is not shape)
