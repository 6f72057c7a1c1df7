"""The relay carries what its cables decide; a list stands for the ring, and lists for the links."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Interface

import pytest

from netlab.kernel.frames import Outlet
from netlab.plan.model import Port
from netlab.report import fates
from netlab.report.fates import End, Note
from netlab.topology.steps import parse_step
from netlab.topology.wires import Chance, Step, Wire
from netlab.wire.feed import Feed
from netlab.wire.relay import Lead, Relay
from tests.unit.wire.frames import tcp

MS = 1_000_000
MAC = "02:00:00:00:00:02"
OURS, EVERYONES = bytes.fromhex(MAC.replace(":", "")), b"\xff" * 6
NEAR, FAR = 100, 101


class Links:
    """What came in and is not read yet, and what has left, with the interface that it left by."""

    def __init__(self) -> None:
        self.came: list[tuple[int, int, bytes]] = []
        self.left: list[tuple[str, bytes]] = []
        self.heard: set[int] = set()
        self.lost = 0

    def fileno(self) -> int:
        """Return no descriptor: nobody polls."""
        return -1

    def fit(self, mtu: int) -> None:
        """Have room for any."""

    def hear(self, interfaces: Iterable[int]) -> None:
        """Note what is heard."""
        self.heard = set(interfaces)

    def read(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield what came, once."""
        while self.came:
            yield self.came.pop(0)

    def count(self) -> int:
        """Return what is lost."""
        return self.lost

    def outlet(self, interface: str) -> Outlet:
        """Return an outlet that notes what leaves by it."""
        links = self

        class Noted(Outlet):
            def put(self, frame: bytes) -> None:
                links.left.append((self.interface, frame))

        return Noted(interface)


def lead(wire: Wire, near: int = NEAR, far: int = FAR) -> Lead:
    """Return the cable of the node web."""
    address = IPv4Interface("10.0.0.2/24")
    return Lead(Port("web", "eth0", MAC, address, "lan", "web", "02:00:00:00:01:02", wire=wire), near, far)


def wire(*steps: str, **chance: float) -> Wire:
    """Return a wire with a script, or with the same chance both ways."""
    script = [parse_step(step, "web") for step in steps]
    both = Chance(**chance)  # type: ignore[arg-type]
    return Wire(tuple(one for one in script if isinstance(one, Step)), both, both, seed=1)


@pytest.fixture
def links() -> Links:
    """Return links on which nothing has come."""
    return Links()


def carry(relay: Relay, links: Links, *frames: tuple[int, bytes]) -> list[tuple[str, bytes]]:
    """Let frames come now, and return what has left."""
    now = time.time_ns()
    links.came += [(now + number, interface, frame) for number, (interface, frame) in enumerate(frames)]
    relay.carry()
    left, links.left = links.left, []
    return left


def test_both_ways(links: Links) -> None:
    """What the node sends leaves by the wire's end, what comes to it by its port; others' is not taken."""
    relay = Relay(links, outlet=links.outlet)
    relay.follow([lead(wire())])
    assert links.heard == {NEAR, FAR}
    assert carry(relay, links, (NEAR, b"from"), (FAR, b"to"), (99, b"other")) == [
        ("web=", b"from"),
        ("web", b"to"),
    ]
    received, sent = relay.tallies()["web"]
    assert (received.frames, sent.frames) == (1, 1)


def test_what_is_held_goes_when_it_is_due(links: Links) -> None:
    """In the order of its times, not before, and soon after; what is not held passes it."""
    relay = Relay(links, outlet=links.outlet)
    relay.follow([lead(wire("delay 1st tcp by 30 ms", "delay 2nd tcp by 10 ms"))])
    began = time.monotonic_ns()
    frames = [tcp(bytes([number])) for number in range(3)]
    assert carry(relay, links, *((NEAR, frame) for frame in frames)) == [("web=", frames[2])]
    pause = relay.pause()
    assert pause is not None
    assert pause <= 0.01
    left: list[tuple[str, bytes]] = []
    while len(left) < 2:
        time.sleep(relay.pause() or 0)
        left += carry(relay, links)
        assert len(left) < 2 or time.monotonic_ns() - began >= 30 * MS
    assert left == [("web=", frames[1]), ("web=", frames[0])]
    assert relay.pause() is None


def test_what_waits_to_be_overtaken(links: Links) -> None:
    """It goes behind the one that passes it; if none comes, the pause ends when it is to go."""
    relay = Relay(links, outlet=links.outlet)
    relay.follow([lead(wire("reorder 1st tcp", "reorder 3rd tcp"))])
    frames = [tcp(bytes([number])) for number in range(3)]
    left = carry(relay, links, *((NEAR, frame) for frame in frames))
    assert left == [("web=", frames[1]), ("web=", frames[0])]
    assert 0 < (relay.pause() or 0) <= 0.5
    relay.follow([lead(wire())])
    assert carry(relay, links) == [("web=", frames[2])]


def test_a_wire_that_changes(links: Links) -> None:
    """One that stays counts on, another begins anew; what is taken away lets go of all, in its order."""
    relay = Relay(links, outlet=links.outlet)
    script = wire("drop 2nd tcp")
    relay.follow([lead(script)])
    assert len(carry(relay, links, (NEAR, tcp()))) == 1
    relay.follow([lead(replace(script))])
    assert carry(relay, links, (NEAR, tcp())) == []
    assert relay.tallies()["web"][1].dropped == 1
    relay.follow([lead(wire(delay=60.0))])
    assert carry(relay, links, (NEAR, b"first" * 4), (FAR, b"second" * 4)) == []
    assert relay.tallies()["web"][1].frames == 1
    relay.follow([])
    assert links.left == [("web=", b"first" * 4), ("web", b"second" * 4)]
    assert links.heard == set()
    assert relay.pause() is None


def test_what_was_said_of_the_other_way_stays(links: Links) -> None:
    """A script that is used up strikes no more, and its tally goes on, when one way alone is changed."""
    relay = Relay(links, outlet=links.outlet)
    script = wire("drop 1st tcp to web")
    relay.follow([lead(script)])
    assert carry(relay, links, (FAR, OURS + tcp()[6:])) == []
    relay.follow([lead(replace(script, sent=Chance(delay=0.001)))])
    assert len(carry(relay, links, (FAR, OURS + tcp()[6:]))) == 1
    received, sent = relay.tallies()["web"]
    assert (received.frames, received.dropped, sent.frames) == (2, 1, 0)


@pytest.mark.parametrize("other", [[], [lead(wire("drop each tcp"))]])
def test_a_change_that_is_taken_back(links: Links, other: list[Lead]) -> None:
    """A wire that was another's for a moment, or none, is where it was; one that is asked for anew begins."""
    relay = Relay(links, outlet=links.outlet)
    script = [lead(wire("drop 1st tcp"))]
    relay.follow(script)
    assert carry(relay, links, (NEAR, tcp())) == []
    relay.follow(other)
    relay.follow(script, back=True)
    assert len(carry(relay, links, (NEAR, tcp()))) == 1
    assert relay.tallies()["web"][1].frames == 2
    relay.follow(other)
    relay.follow(script)
    assert carry(relay, links, (NEAR, tcp())) == []


def test_a_port_that_is_made_anew(links: Links) -> None:
    """It has other ends, and its cable begins anew."""
    relay = Relay(links, outlet=links.outlet)
    script = wire("drop 1st tcp")
    relay.follow([lead(script)])
    assert carry(relay, links, (NEAR, tcp())) == []
    relay.follow([lead(script, 200, 201)])
    assert links.heard == {200, 201}
    assert carry(relay, links, (NEAR, tcp()), (200, tcp())) == []
    assert len(carry(relay, links, (200, tcp()))) == 1


def test_a_clock_that_is_set(links: Links) -> None:
    """A frame from another hour is taken for one of now."""
    relay = Relay(links, outlet=links.outlet)
    relay.follow([lead(wire(delay=0.01))])
    for hour in (-1, 1):
        links.came.append((time.time_ns() + hour * 3_600_000_000_000, NEAR, b"frame"))
        relay.carry()
        assert 0 < (relay.pause() or 0) <= 0.011


def test_a_relay_that_was_held_up(links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came meanwhile came when it did: it is due by that, and not by when it is found."""
    relay = Relay(links, outlet=links.outlet)
    relay.follow([lead(wire(delay=10.0))])
    later = time.monotonic_ns() + 5_000 * MS, time.time_ns() + 5_000 * MS
    monkeypatch.setattr(time, "monotonic_ns", lambda: later[0])
    monkeypatch.setattr(time, "time_ns", lambda: later[1])
    links.came.append((later[1] - 3_000 * MS, NEAR, b"frame"))
    relay.carry()
    assert relay.pause() == pytest.approx(7, abs=0.01)


# -- the way to the recorder -----------------------------------------------------------------------------


def told(end: socket.socket) -> list[Note | End]:
    """Return what the recorder is told."""
    said: list[Note | End] = []
    end.setblocking(False)
    while True:
        try:
            said += fates.unpacked(end.recv(1 << 18))
        except BlockingIOError:
            return said


def test_what_is_told(links: Links) -> None:
    """Fates that are worth a word; what is not for the node alone names it; when copies go, where they do."""
    recorder, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with recorder, ours:
        relay = Relay(links, Feed(ours), links.outlet)
        relay.follow([lead(wire("delay 1st tcp from web by 200 ms", "drop each tcp to web"))])
        frames = [OURS + tcp()[6:], EVERYONES + tcp()[6:]]
        carry(relay, links, (NEAR, frames[0]), (NEAR, frames[0]), (FAR, frames[0]), (FAR, frames[1]))
        assert relay.feed is not None
        relay.feed.flush()
        hello, *notes = told(recorder)
        assert hello == End(0)
        assert [one for one in notes if isinstance(one, End)] == []
        said = [one for one in notes if isinstance(one, Note)]
        assert [(one.sent, one.frame, one.remark) for one in said] == [
            (True, frames[0], "held 200 ms by wire"),
            (False, frames[0], "dropped by wire"),
            (False, frames[1], "dropped by wire to web"),
        ]
        ((when, copy),) = said[0].copies
        assert (when - said[0].time_ns, copy) == (200 * MS, frames[0])


def test_what_was_held_back_is_told_when_it_goes(links: Links) -> None:
    """When and as what it really went; and at the record's end that it is held back still."""
    recorder, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with recorder, ours:
        relay = Relay(links, Feed(ours), links.outlet)
        relay.follow(
            [lead(wire("corrupt 1st tcp", "duplicate 1st tcp", "reorder 1st tcp", "reorder 3rd tcp"))]
        )
        frames = [tcp(bytes([number]) * 4) for number in range(3)]
        carry(relay, links, (NEAR, frames[0]))
        carry(relay, links, (NEAR, frames[1]), (NEAR, frames[2]))
        relay.tell_held()
        assert relay.feed is not None
        relay.feed.flush()
        first, second = [one for one in told(recorder) if isinstance(one, Note)]
        assert first.frame == frames[0]
        assert first.remark == "corrupted by wire (byte 54), duplicated by wire, reordered by wire"
        assert [copy[54] ^ frames[0][54] for _, copy in first.copies] == [1, 1]
        assert all(when > first.time_ns for when, _ in first.copies)
        assert (second.frame, second.remark, second.copies) == (frames[2], "held back by wire", ())
        assert [tally.altered for tally in relay.tallies()["web"]] == [0, 1]


def test_a_recorder_that_does_not_read() -> None:
    """Nobody waits for it: what it may be told later is kept, and what is too much is counted."""
    recorder, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with recorder, ours:
        feed = Feed(ours)
        note = Note(1, 2, True, bytes(60000), "dropped by wire")
        for _ in range(2000):
            feed.tell(note)
        assert feed.waiting
        recorder.send(b"?")
        feed.hear(lost=3)
        said: list[Note | End] = []
        while feed.waiting:
            feed.flush()
            said += told(recorder)
        assert said[0] == End(0)
        assert isinstance(said[-1], End)
        notes = said[1:-1]
        assert notes == [note] * len(notes)
        assert 0 < len(notes) < 2000
        assert said[-1] == End(2000 - len(notes) + 3)


def test_a_recorder_that_has_ended() -> None:
    """The relay goes on, and keeps nothing for it."""
    recorder, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        feed = Feed(ours)
        recorder.close()
        feed.tell(Note(1, 2, True, b"x", "y"))
        feed.flush()
        feed.hear(0)
        assert not feed.is_open
        assert not feed.waiting
        feed.tell(Note(1, 2, True, b"x", "y"))
        assert not feed.waiting
