"""A step in words: what it means, that it is read back, and where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.topology.recordings import PROTOCOLS
from netlab.topology.rules import FLAGS
from netlab.topology.steps import PATTERN, Misread, parse_step, words
from netlab.topology.wires import ACTIONS, Match, Step


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("drop 2nd tcp data from web", Step("drop", Match(True, "tcp", data=True), 2)),
        ("drop 2nd from web data tcp", Step("drop", Match(True, "tcp", data=True), 2)),
        ("delay 1st udp to web by 200 ms", Step("delay", Match(False, "udp"), 1, by=0.2)),
        ("delay by 200ms udp 1st received", Step("delay", Match(False, "udp"), 1, by=0.2)),
        ("duplicate each arp sent", Step("duplicate", Match(True, "arp"), None)),
        ("reorder 3rd tcp", Step("reorder", Match(None, "tcp"), 3, by=1)),
        ("reorder 11th tcp by 2 packets", Step("reorder", Match(None, "tcp"), 11, by=2)),
        ("truncate 1st udp to WEB to 30 bytes", Step("truncate", Match(False, "udp"), 1, to=30)),
        ("corrupt 22nd", Step("corrupt", Match(), 22)),
        (
            "  drop\n1st  tcp syn no ack no data ",
            Step("drop", Match(None, "tcp", frozenset({"syn"}), frozenset({"ack"}), False), 1),
        ),
    ],
)
def test_what_it_means(text: str, step: Step) -> None:
    """Words in any order behind the action, blanks at will."""
    assert parse_step(text, "web") == step
    assert re.fullmatch(PATTERN, text)


STEPS = [
    *("", "   ", "dorp 1st tcp", "1st tcp", "Drop 1st tcp", "drop", "drop tcp syn"),
    *("drop seccond tcp data", "drop first tcp", "drop 2 tcp", "drop 2th tcp", "drop 0th tcp", "drop 1 tcp"),
    *("drop 9999999999th tcp", "drop 1st 2nd tcp", "drop each 1st", "drop 1st tcp udp", "drop 1st tpc"),
    *("drop 1st udp syn", "drop 1st tcp syn no syn", "drop 1st tcp data no data", "drop 1st arp no data"),
    *(
        "drop 1st tcp no",
        "drop 1st tcp no udp",
        "drop 1st tcp frm web",
        "drop 1st tcp from",
        "drop 1st from dns",
    ),
    *("drop 1st from web to web", "drop 1st tcp sent received", "drop 1st tcp please"),
    *("drop 1st by 200 ms", "drop 1st tcp to 30", "duplicate 1st to 3 bytes", "corrupt 1st by 3"),
    *(
        "delay 1st udp",
        "delay 1st udp by",
        "delay 1st by 200",
        "delay 1st by 200 mss",
        "delay 1st by 200 to web",
    ),
    *(
        "delay 1st by soon",
        "delay 1st by 61 s",
        "delay 1st by 1 ms by 2 ms",
        "reorder 1st by",
        "reorder 1st by 0",
    ),
    *("reorder 1st by 101", "reorder 1st by one", "reorder 1st by 5 ms", "truncate 1st", "truncate 1st to 0"),
    *("truncate 1st to 65536", "truncate 1st to web", "truncate 1st to 3 to 4", "drop 1st \x1b[31m"),
]


def test_what_is_wrong(golden: Callable[[str, str], None]) -> None:
    """Each slip is told with the words that it is, what it is, and what to do."""
    told = []
    for text in STEPS:
        found = parse_step(text, "web")
        assert isinstance(found, Misread), text
        shown = text.replace("\x1b", "·")
        told.append(f"{shown}\n{' ' * found.column}{'^' * found.width} {found.what} — {found.hint}\n")
    golden("steps.txt", "\n".join(told))


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Return any step that can be said."""
    action = draw(st.sampled_from(ACTIONS))
    flags = draw(st.dictionaries(st.sampled_from(FLAGS), st.booleans(), max_size=3))
    data = draw(st.sampled_from([None, True, False]))
    protocols = ["tcp"] if flags else ["tcp", "udp"] if data is not None else [None, *PROTOCOLS]
    match = Match(
        draw(st.sampled_from([None, True, False])),
        draw(st.sampled_from(protocols)),
        frozenset(flag for flag, is_set in flags.items() if is_set),
        frozenset(flag for flag, is_set in flags.items() if not is_set),
        data,
    )
    nth = draw(st.none() | st.integers(1, 1_000_000))
    by: float | None = None
    if action == "delay":
        by = draw(st.integers(0, 60_000)) / 1000
    elif action == "reorder":
        by = draw(st.integers(1, 100))
    return Step(action, match, nth, by, draw(st.integers(1, 65535)) if action == "truncate" else None)


@given(steps(), st.sampled_from(["web", "data", "by", "1st", "2a", "no"]))
def test_words_are_read_back(step: Step, node: str) -> None:
    """A law: what is said of a step means that step, whatever its node is called, and has its form."""
    text = words(step, node)
    assert parse_step(text, node) == step
    assert re.fullmatch(PATTERN, text)


WORDS = [
    *ACTIONS,
    *PROTOCOLS,
    *FLAGS,
    "1st",
    "2nd",
    "each",
    "no",
    "data",
    "from",
    "to",
    "web",
    "by",
    "200",
    "ms",
]


@given(st.lists(st.sampled_from([*WORDS, "30", "bytes", "packets", "sent", "2.5", "%", "é"]), max_size=9))
def test_any_words_have_an_answer(said: list[str]) -> None:
    """A law: a step has the schema's form, or its fault lies within the text."""
    text = " ".join(said)
    found = parse_step(text, "web")
    if isinstance(found, Misread):
        assert 0 <= found.column < max(1, len(text))
        assert 1 <= found.width <= max(1, len(text) - found.column)
    else:
        assert re.fullmatch(PATTERN, text)
