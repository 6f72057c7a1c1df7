"""Draws headers as the RFCs do, in rows of 32 bits, and tells below why each field has its value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from netlab.report.fields import Field, Header
from netlab.report.headers import Packet
from netlab.report.packet_fields import headers

_BITS = 32
_LINE = 110  # columns, of the reasons
_RULER = (
    " 0                   1                   2                   3",
    " " + " ".join(str(bit % 10) for bit in range(_BITS)),
)


@dataclass(frozen=True, slots=True)
class _Cell:
    """The part of a field that is in one row; the largest part is the one that is `named`."""

    field: Field
    bits: int
    named: bool


def draw(packet: Packet) -> str:
    """Return the headers of a packet, from IP's on, each drawn and explained; "" for what is no IP packet."""
    return "\n\n".join(draw_header(header) for header in headers(packet))


def draw_header(header: Header) -> str:
    """Return one header: its title, its rows of 32 bits, and a line for each field with the reason."""
    rows = list(_rows(header.fields))
    lines = [header.title, "", *_RULER]
    above: Sequence[_Cell] = ()
    for row in rows:
        lines += [_border(above, row), *_row(row)]
        above = row
    lines += [_border(above, ()), "", *_reasons(header.fields)]
    return "\n".join(line.rstrip() for line in lines)


# -- the rows -----------------------------------------------------------------------------------------


def _rows(fields: Sequence[Field]) -> Iterator[list[_Cell]]:
    """Lay the fields out in rows; one that crosses the end of a row has a part in each."""
    row: list[_Cell] = []
    room = _BITS
    for field in fields:
        for bits, named in _parts(field.bits, room):
            row.append(_Cell(field, bits, named))
            room -= bits
            if room == 0:
                yield row
                row, room = [], _BITS
    if row:
        yield row


def _parts(bits: int, room: int) -> list[tuple[int, bool]]:
    """Cut a field where rows end, the first of which has `room` for so many bits; True: the name is here."""
    sizes = []
    while bits > 0:
        sizes.append(min(bits, room))
        bits -= sizes[-1]
        room = _BITS
    named = sizes.index(max(sizes)) if sizes else 0
    return [(size, number == named) for number, size in enumerate(sizes)]


def _border(above: Sequence[_Cell], below: Sequence[_Cell]) -> str:
    """Return the line between two rows: open where a field goes on from one to the other."""
    upper, lower = _owners(above), _owners(below)
    closed = [up is not down for up, down in zip(upper, lower, strict=True)]
    line = ""
    for bit, shut in enumerate(closed):
        inner = bit > 0 and not shut and not closed[bit - 1]
        line += (" " if inner else "+") + ("-" if shut else " ")
    return line + "+"


def _owners(row: Sequence[_Cell]) -> list[object]:
    """Return whose each bit of a row is; beyond its end, nobody's."""
    owners: list[object] = [cell.field for cell in row for _ in range(cell.bits)]
    return owners + [object() for _ in range(_BITS - len(owners))]


def _row(row: Sequence[_Cell]) -> list[str]:
    """Return a row's text: one line, or where it has single bits their names downwards, and the values."""
    if all(cell.bits > 1 for cell in row):
        return [_line([_fitting(cell) for cell in row], row)]
    height = max(len(_name(cell)) for cell in row if cell.bits == 1)
    lines = []
    for level in range(height):
        middle = level == height // 2
        lines.append(_line([_at(cell, level, height, middle=middle) for cell in row], row))
    return [*lines, _line([cell.field.said if cell.named else "" for cell in row], row)]


def _at(cell: _Cell, level: int, height: int, *, middle: bool) -> str:
    """Return what of a cell's name stands on a level: a letter of a single bit's, or all of another's."""
    if cell.bits > 1:
        return _name(cell) if middle and cell.named else ""
    name = _name(cell).center(height)
    return name[level]


def _name(cell: _Cell) -> str:
    """Return the longest name that there is room for."""
    names = (cell.field.name, cell.field.short)
    fit = (name for name in names if name and (cell.bits == 1 or len(name) < cell.bits * 2))
    return cell.field.short or cell.field.name if cell.bits == 1 else next(fit, "")


def _fitting(cell: _Cell) -> str:
    """Return name and value, or as much of that as there is room for."""
    field, room = cell.field, cell.bits * 2 - 1
    if not cell.named:
        return ""
    texts = (f"{field.name}: {field.said}", f"{field.short} {field.said}".strip(), field.said, field.short)
    return next((text for text in texts if len(text) <= room), "…")


def _line(texts: Sequence[str], row: Sequence[_Cell]) -> str:
    cells = (text.center(cell.bits * 2 - 1) for text, cell in zip(texts, row, strict=True))
    return "|" + "|".join(cells) + "|"


# -- the reasons --------------------------------------------------------------------------------------


def _reasons(fields: Sequence[Field]) -> Iterator[str]:
    """Yield a line for each field: name, bits, value, reason; a long reason goes on below itself."""
    names = max(len(field.name) for field in fields)
    said = max(min(len(field.said), _BITS // 2) for field in fields)
    for field in fields:
        head = f"{field.name:<{names}}  {field.bits:>3}  {field.said:<{said}}  "
        first, *more = wrap(field.why, max(_LINE - len(head), _BITS)) or [""]
        yield head + first
        yield from (" " * len(head) + line for line in more)
