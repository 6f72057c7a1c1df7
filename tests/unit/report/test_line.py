"""A line and its text are each other's inverse, and columns align."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.report.line import Line, Widths, format_line, parse_line

VISIBLE = st.characters(min_codepoint=33, max_codepoint=0x24F, categories=["L", "N", "P", "S"])
WORD = st.text(VISIBLE, min_size=1, max_size=12).filter(lambda word: word not in ("SYN", "ACK", "none"))
TEXT = st.lists(WORD, min_size=1, max_size=4).map(" ".join)
LINES = st.builds(
    Line,
    st.integers(-(10**12), 10**12),
    WORD,
    WORD,
    WORD,
    st.sampled_from(["", "none", "SYN", "SYN,ACK", "FIN,PSH,ACK", "ACK,AE"]),
    st.lists(WORD, min_size=1, max_size=5).map(tuple),
    st.lists(TEXT, max_size=3).map(tuple),
)


@given(st.lists(LINES, min_size=1, max_size=4))
def test_what_is_formatted_is_parsed(lines: list[Line]) -> None:
    """Any line of words survives its text, in default columns and in columns that fit."""
    widths = Widths.of(lines)
    assert [parse_line(format_line(line)) for line in lines] == lines
    assert [parse_line(format_line(line, widths)) for line in lines] == lines


def test_a_line_as_a_person_reads_it() -> None:
    """The form that the documentation shows."""
    ends = "web:80", "client:51515"
    line = Line(1255, *ends, "TCP", "SYN,ACK", ("seq=0", "ack=1", "win=64240", "len=0"), ("bad checksum",))
    expected = "0.001255  web:80 > client:51515      TCP  SYN,ACK  seq=0 ack=1 win=64240 len=0  bad checksum"
    assert format_line(line) == expected
    assert line.flow == ("TCP", *ends)
    assert line.text == "SYN,ACK  seq=0 ack=1 win=64240 len=0  bad checksum"


def test_columns_grow_with_what_stands_in_them() -> None:
    """The widest end, protocol and time set the columns of all lines."""
    lines = [
        Line(0, "a", "b", "UDP", "", ("len=1",)),
        Line(12_000_000, "a-rather-long-name:50000", "[2001:db8::1]:53", "ICMPv6", "", ("len=1",)),
    ]
    widths = Widths.of(lines)
    assert len({format_line(line, widths).index("len=") for line in lines}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.000001  a > b  TCP",
        "0.000001  a > b  TCP  SYN",
        "soon  a > b  TCP  SYN  seq=0",
        "0.000001  a b  TCP  SYN  seq=0",
        "0.000001  a > b c  TCP  SYN  seq=0",
    ],
)
def test_what_is_no_line_is_refused(text: str) -> None:
    """A text without time, ends, protocol or fields is not taken for a packet."""
    with pytest.raises(ValueError, match=r"columns|nobody|fields"):
        parse_line(text)
