"""What a program's log tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.backends.inside.programs import told


@pytest.mark.parametrize(
    ("log", "pattern", "found"),
    [
        ("one\ntwo\nthree\n", "tw", ["one", "two"]),
        ("1\n2\n3\n4\n5\nup\nlater\n", "^up$", ["3", "4", "5", "up"]),
        ("unfinished", "fin", ["unfinished"]),
        ("\nx", "^$", [""]),
        ("one\n", "two", []),
    ],
)
def test_a_line_is_told_with_what_led_to_it(tmp_path: Path, log: str, pattern: str, found: list[str]) -> None:
    """The first that matches, after at most three others; of a log without such a line, nothing."""
    path = tmp_path / "x.log"
    path.write_text(log)
    assert told(path, pattern) == found


def test_what_was_said_before_does_not_count(tmp_path: Path) -> None:
    """A log goes on where another process has left it."""
    path = tmp_path / "x.log"
    path.write_text("ready\nnext\n")
    assert told(path, "ready", 6) == []
    assert told(path, "next", 6) == ["next"]


def test_a_log_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    """A server that has not begun has no log yet."""
    assert told(tmp_path / "none.log", "") == []
