"""References to container images, in the form that registries and container engines read.

The grammar is the Distribution project's (reference/reference.go): [HOST[:PORT]/]PATH[:TAG][@DIGEST].
"""

from __future__ import annotations

import re

from netlab.topology import values
from netlab.topology.faults import Faults, shown
from netlab.topology.reader import Value

_MAX_NAME = 255  # what stands before the tag

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_ALGORITHM = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*)(?::{_TAG})?(?:@{_ALGORITHM}:[0-9a-fA-F]{{32,}})?"
)
_LONGEST = 1024  # of all that is looked at; an honest reference is far shorter
_EXAMPLE = "python:3.12"


def is_reference(word: str) -> bool:
    """Say whether a word can name an image; whether there is such an image is the engine's to say."""
    found = _REFERENCE.fullmatch(word) if len(word) <= _LONGEST else None
    return found is not None and len(found["name"]) <= _MAX_NAME


def image(value: Value, faults: Faults) -> str | None:
    """Return a reference as it was written; no tag is filled in."""
    word = values.text(value, f"the name of an image, as {_EXAMPLE}", faults)
    if word is None or is_reference(word):
        return word
    name, colon, tag = word.partition(":")
    lower = name.lower() + colon + tag
    hint = f"write NAME, NAME:TAG or NAME@DIGEST, as {_EXAMPLE}"
    if is_reference(lower):
        hint = f"an image's name is in lower case: {lower}"
    faults.add(value.mark, f"{shown(word)} cannot name an image", hint)
    return None
