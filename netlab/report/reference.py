"""The language's dictionary as a page to read: Markdown, a section for each mapping, its keys in a table.

Its counterpart, for editors, is `netlab.report.schema`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from netlab.topology.language.shapes import Key, Note, OneOf, Section, words

_TITLE = "The topology file"
_HEAD = f"""\
<!-- Written by `netlab schema --markdown`: what is changed here by hand is lost. -->

# {_TITLE}

Every key that a topology may have, in every mapping. A key that is left out, or left empty, means its
default. [web.yaml](web.yaml) is a whole file, commented; `netlab check FILE` tells what is wrong with one,
and `netlab plan FILE` what it comes to.

An editor completes and checks keys as one types: VS Code with its YAML extension, and others that use the
YAML language server, by a file's first line, `# yaml-language-server: $schema=netlab.schema.json`, with
[netlab.schema.json](netlab.schema.json) beside the file (`netlab schema -o netlab.schema.json` writes it).
"""


def text(sections: Sequence[Section], notes: Sequence[Note]) -> str:
    """Return the page, the first section being the whole file's."""
    titles = [*(section.title for section in sections), *(note.title for note in notes)]
    contents = [f"- [{title}](#{_anchor(title)})" for title in titles]
    parts = [_HEAD, "\n".join(contents) + "\n"]
    parts += [_section(section) for section in sections]
    parts += [_note(note) for note in notes]
    return "\n".join(parts)


def _section(section: Section) -> str:
    rows = [_row(section, key) for key in section.keys]
    parts = [f"## {section.title}", section.about]
    parts.append("\n".join(["| key | what fits | default | |", "|---|---|---|---|", *rows]))
    parts += [*_meanings(section), _block(section.example)]
    if section.notes:
        parts.append(section.notes)
    return "\n\n".join(parts) + "\n"


def _note(note: Note) -> str:
    return "\n\n".join([f"## {note.title}", note.about, *map(_block, note.examples)]) + "\n"


def _row(section: Section, key: Key) -> str:
    cells = (f"`{key.name}`", words(key.shape, _link, _code), _default(section, key), key.meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(section: Section, key: Key) -> str:
    if key.name in section.required:
        return "must be there"
    if key.default is not None:
        return _code(key.default if isinstance(key.default, str) else json.dumps(key.default))
    return key.otherwise


def _meanings(section: Section) -> Iterator[str]:
    """Yield what the words mean that a key may have, where they have a meaning of their own."""
    for key in section.keys:
        if isinstance(key.shape, OneOf) and isinstance(key.shape.words, Mapping):
            yield "\n".join(f"- `{key.name}: {word}`: {means}." for word, means in key.shape.words.items())


def _link(section: Section) -> str:
    return f"[{section.title[0].lower()}{section.title[1:]}](#{_anchor(section.title)})"


def _code(word: str) -> str:
    return f"`{word}`"


def _block(example: str) -> str:
    return f"```yaml\n{example}```"


def _anchor(title: str) -> str:
    """Return what a link to a heading is called on code hosts: lower case, hyphens, no other signs."""
    return "".join(sign for sign in title.lower().replace(" ", "-") if sign.isalnum() or sign == "-")
