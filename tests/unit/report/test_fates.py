"""What wires did finds its way to the packets that they did it to."""

from __future__ import annotations

import io
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from netlab.report import fates
from netlab.report.fates import End, Fate, Note, digest, settled
from netlab.report.frame import Frame
from netlab.report.pcapng import Writer, capture_of
from netlab.report.restating import restate

MS = 1_000_000
NOTES = st.builds(
    Note,
    interface=st.integers(1, 1 << 31),
    time_ns=st.integers(0, 1 << 62),
    sent=st.booleans(),
    frame=st.binary(min_size=1, max_size=200),
    remark=st.text(max_size=60),
    copies=st.lists(st.tuples(st.integers(0, 1 << 62), st.binary(min_size=1, max_size=200)), max_size=3).map(
        tuple
    ),
)


@given(st.lists(st.one_of(NOTES, st.builds(End, st.integers(0, 1 << 31), st.booleans())), max_size=5))
def test_what_is_packed_is_unpacked(said: list[Note | End]) -> None:
    """A message holds what was put into it, in that order."""
    message = b"".join(
        fates.end(one.lost, gone=one.gone) if isinstance(one, End) else fates.packed(one) for one in said
    )
    assert list(fates.unpacked(message)) == said


@given(NOTES, st.one_of(st.none(), st.integers(14, 100)))
def test_what_is_encoded_is_decoded(note: Note, snap: int | None) -> None:
    """A block has all of a note, with digests for frames, cut as the capture's are."""
    read = fates.decoded(fates.encoded(note, 7, snap), {7: "web"}.get)
    copies = tuple((when, digest(copy[:snap])) for when, copy in note.copies)
    assert read == Fate("web", note.time_ns, note.sent, digest(note.frame[:snap]), note.remark, copies)
    assert fates.decoded(fates.encoded(note, 8, snap), {7: "web"}.get) is None


@given(NOTES, st.integers(0, 30))
def test_half_a_block_is_none(note: Note, size: int) -> None:
    """What is cut short is refused, and raises nothing."""
    assert fates.decoded(fates.encoded(note, 0)[:size], lambda _: "web") is None


def frame(interface: str, time_ns: int, data: bytes = b"one") -> Frame:
    """Return a recorded packet."""
    return Frame(time_ns, interface, data, len(data))


def sent(
    interface: str, time_ns: int, remark: str, data: bytes = b"one", copies: Sequence[tuple[int, bytes]] = ()
) -> Fate:
    """Return what a wire did to what its node sent."""
    went = tuple((when, digest(copy)) for when, copy in copies)
    return Fate(interface, time_ns, True, digest(data), remark, went)


def received(interface: str, time_ns: int, remark: str, data: bytes = b"one") -> Fate:
    """Return what a wire did to what came to its node."""
    return Fate(interface, time_ns, False, digest(data), remark)


def comments(frames: Sequence[Frame], *told: Fate) -> list[str]:
    """Return what is then said of each frame."""
    return [one.comment for one in settled(frames, told)]


def test_the_senders_wire() -> None:
    """Of frames that look the same, it is the one of that time; those that come elsewhere are others."""
    frames = [frame("a", 0), frame("b", 5 * MS), frame("a", 5 * MS), frame("a", 9 * MS, b"two")]
    told = sent("a", 5 * MS + 3000, "dropped by wire")
    assert comments(frames, told) == ["", "", "wire: dropped by wire", ""]
    assert comments(frames, sent("a", 1, "held 1 ms by wire"), told) == [
        "wire: held 1 ms by wire",
        "",
        "wire: dropped by wire",
        "",
    ]


def test_the_receivers_wire() -> None:
    """It is the latest frame that looks so, from somebody else, and each once for each wire."""
    frames = [frame("a", 0), frame("b", 1 * MS), frame("a", 4 * MS), frame("a", 40 * MS)]
    assert comments(frames, received("b", 5 * MS, "x")) == ["", "", "wire: x", ""]
    both = (received("b", 5 * MS, "x"), received("b", 5 * MS + 1, "y"))
    assert comments(frames, *both) == ["wire: x", "", "wire: y", ""]  # in their order
    others = (received("b", 5 * MS, "x to b"), received("c", 5 * MS, "y to c"))
    assert comments(frames, *others) == ["", "", "wire: x to b\nwire: y to c", ""]


def test_look_alikes_soon_after_one_another() -> None:
    """It is the one that had come when the wire spoke, and never one that came later, if only a little."""
    frames = [frame("a", time) for time in (0, 330_000, 650_000, 940_000)]
    assert comments(frames, received("b", 20_000, "x")) == ["wire: x", "", "", ""]
    assert comments(frames, received("b", 660_000, "x")) == ["", "", "wire: x", ""]


def test_a_wire_that_holds_for_a_little_less() -> None:
    """What came a moment before the sender's wire said that it would is that packet, if there is no other."""
    held = sent("a", 0, "held 20 ms by wire", copies=[(20 * MS, b"one")])
    told = comments([frame("a", 0)], held, received("b", 20 * MS - 50_000, "x"))
    assert told == ["wire: held 20 ms by wire\nwire: x"]
    assert comments([frame("a", 0)], held, received("b", 15 * MS, "x")) == ["wire: held 20 ms by wire"]


def test_each_copy_has_its_fate() -> None:
    """Of two copies one is dropped, or both are: that is told apart, and no other packet is blamed."""
    frames = [frame("a", 0), frame("a", 10 * MS)]
    twice = sent("a", 10 * MS, "duplicated", copies=[(10 * MS, b"one"), (10 * MS, b"one")])
    drops = [received("b", 11 * MS + number, "dropped") for number in range(2)]
    assert comments(frames, twice, drops[0]) == ["", "wire: duplicated\nwire: dropped"]
    assert comments(frames, twice, *drops) == ["", "wire: duplicated\nwire: dropped\nwire: dropped"]


def test_one_wire_after_the_other() -> None:
    """What a sender's wire has held, or changed, the receiver's meets when, and as what, it came there."""
    frames = [frame("a", 0), frame("a", 100 * MS)]
    held = sent("a", 0, "held 200 ms by wire", copies=[(200 * MS, b"one")])
    assert comments(frames, held, received("b", 201 * MS, "dropped by wire")) == [
        "wire: held 200 ms by wire\nwire: dropped by wire",
        "",
    ]
    assert comments(frames, held, received("b", 101 * MS, "dropped by wire"))[1] == "wire: dropped by wire"
    changed = sent("a", 0, "corrupted by wire", copies=[(0, b"eno")])
    told = comments(frames[:1], changed, received("b", 1 * MS, "dropped by wire", b"eno"))
    assert told == ["wire: corrupted by wire\nwire: dropped by wire"]
    lost = sent("a", 0, "dropped by wire")
    assert comments(frames[:1], lost, received("b", 1 * MS, "?")) == ["wire: dropped by wire"]


def test_what_nobody_recorded() -> None:
    """A word on a packet that is not in the capture is passed over; a comment that was there stays."""
    (kept,) = settled([Frame(0, "a", b"one", 3, "mine")], [sent("a", 0, "x"), received("b", 0, "y", b"two")])
    assert kept.comment == "mine\nwire: x"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50), st.binary(min_size=1, max_size=1))))
def test_each_packet_gets_what_is_its_own(events: list[tuple[str, int, bytes]]) -> None:
    """However much alike they are: with the times that there were, each gets the remark that was for it."""
    frames = [frame(name, time * MS, data) for name, time, data in events]
    told = [sent(one.interface, one.time_ns, f"{number}", one.data) for number, one in enumerate(frames)]
    said = comments(frames, *told)
    for number, comment in enumerate(said):
        other = frames[int(comment.removeprefix("wire: "))]
        assert (other.interface, other.time_ns, other.data) == (
            frames[number].interface,
            frames[number].time_ns,
            frames[number].data,
        )
    assert sorted(said) == sorted(f"wire: {number}" for number in range(len(frames)))


def test_a_capture_tells_them() -> None:
    """What is written as notes is read as comments; a capture that has only a part of frames as well."""
    for snap in (None, 20):
        file = io.BytesIO()
        writer = Writer(file)
        client, web = writer.add_interface("client"), writer.add_interface("web")
        data = bytes(100)
        writer.packet(client, 1000, data[:snap], len(data))
        writer.fate(client, Note(11, 1500, True, data, "held 1 ms by wire", ((MS + 1500, data),)), snap)
        writer.fate(web, Note(12, MS + 2000, False, data, "dropped by wire"), snap)
        writer.finish(5000, 1, 0)
        file.seek(0)
        capture = capture_of(file, "x")
        assert [one.comment for one in capture.frames] == ["wire: held 1 ms by wire\nwire: dropped by wire"]
        assert not capture.truncated


def test_a_capture_stated_anew() -> None:
    """It has the same packets, in order, names and counters; what wires did stands in comments alone."""
    file = io.BytesIO()
    writer = Writer(file)
    client, web = writer.add_interface("client", "eth0 of node client"), writer.add_interface("web")
    writer.add_names({"10.0.0.1": "client"})
    writer.packet(web, 2000, b"two", 100)
    writer.packet(client, 1000, b"one")
    writer.fate(client, Note(11, 1000, True, b"one", "dropped by wire"))
    writer.finish(5000, 7, 3)
    file.seek(0)
    before = capture_of(file, "x")
    assert before.has_notes
    anew = io.BytesIO()
    restate(before, anew)
    anew.seek(0)
    after = capture_of(anew, "y")
    assert not after.has_notes
    assert after.frames == tuple(sorted(before.frames, key=lambda frame: frame.time_ns))
    assert [frame.comment for frame in after.frames] == ["wire: dropped by wire", ""]
    assert (after.interfaces, after.names, after.truncated) == (before.interfaces, before.names, False)
    assert (after.statistics[0].received, after.dropped) == (7, 3)
