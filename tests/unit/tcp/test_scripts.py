"""What the RFCs say, segment by segment: see `drill` for how the scripts are written."""

from __future__ import annotations

import pytest

from tests.unit.tcp.drill import Drill, DrillError, Script, parse, scripts

ALL = list(scripts())


@pytest.mark.parametrize("script", ALL, ids=[script.name for script in ALL])
def test_script(script: Script) -> None:
    """What goes in brings out what the script says, field by field."""
    Drill().run(script)


def test_there_are_enough_scripts_and_each_names_its_section() -> None:
    """Sixty at least, no two of one name, and each name begins with an RFC and its section."""
    names = [script.name for script in ALL]
    assert len(names) >= 60
    assert len(set(names)) == len(names)
    for name in names:
        rfc, section = name.split(", ")[:2]
        assert rfc.startswith("RFC "), name
        assert section[0].isdigit(), name


WRONG = [
    ("> ACK seq=A+1 ack=B+1001", "packet 5 client > web: ack expected 1001 (B+1001), got 2001"),
    ("> ACK seq=A+2 ack=B+2001", "packet 5 client > web: seq expected 2 (A+2), got 1"),
    ("> PSH,ACK seq=A+1 ack=B+2001", "packet 5 client > web: flags expected PSH,ACK, got ACK"),
    ("> ACK seq=A+1 ack=B+2001 len=1", "packet 5 client > web: len expected 1, got 0"),
    ("> ACK seq=A+1 ack=B+2001 win=1", "packet 5 client > web: win expected 1, got 18000"),
    ("> ACK seq=A+1 ack=B+2001 mss=5", "packet 5 client > web: options expected mss=5, got none"),
    ("nothing", "packet 5 client > web: expected nothing, got ACK seq=1 ack=2001 len=0"),
    ("state CLOSED", "state: expected CLOSED, got ESTABLISHED"),
    ("read 2001", "read: expected 2001 bytes from byte 0 on, got 2000 bytes"),
]


@pytest.mark.parametrize(("line", "words"), WRONG)
def test_a_failure_names_packet_direction_and_field(line: str, words: str) -> None:
    """A script that is wrong says where, what was expected (counted from the SYN), and what came."""
    (script,) = parse(f"== x\nset delayed_ack=0\nconnected\n< ACK seq=B+1 ack=A+1 len=2000\n{line}\n")
    with pytest.raises(DrillError) as raised:
        Drill().run(script)
    assert str(raised.value).partition(": ")[2] == words


LONG = """
== x
set delayed_ack=0 receive_buffer=65535
connected
< ACK seq=B+1 ack=A+1 len=32000
> ACK seq=A+1 ack=B+32001
< ACK seq=B+32001 ack=A+1 len=32000
> ACK seq=A+1 ack=B+1+65160
"""


def test_a_failure_counts_packets_and_sums() -> None:
    """All packets are counted, both ways, and a sum is shown beside what it comes to."""
    (script,) = parse(LONG)
    with pytest.raises(DrillError) as raised:
        Drill().run(script)
    words = "packet 7 client > web: ack expected 65161 (B+1+65160), got 64001"
    assert str(raised.value).partition(": ")[2] == words


def test_what_is_sent_and_not_mentioned_fails() -> None:
    """A script does not end well with a segment that it does not speak of."""
    (script,) = parse("== x\nopen\n")
    with pytest.raises(DrillError, match="packet 1 client > web: expected nothing, got SYN"):
        Drill().run(script)
