"""Captures: what is written is read, and no file makes the reader do anything but read or say why not."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import NetlabError, UsageError
from netlab.report.frame import Frame
from netlab.report.pcapng import Reader, Statistics, Writer, read_capture

FRAMES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 2**63), st.binary(max_size=40), st.text(max_size=5)),
    max_size=8,
)
NAMES = st.dictionaries(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    max_size=4,
)


def written(frames: list[tuple[int, int, bytes, str]], names: dict[str, str] | None = None) -> bytes:
    """Return a file with two interfaces, these frames and some statistics."""
    file = io.BytesIO()
    writer = Writer(file)
    for name in ("client", "web"):
        writer.add_interface(name, f"node {name}, network lan")
    writer.add_names(names or {})
    for interface, time_ns, data, comment in frames:
        writer.packet(interface, time_ns, data, len(data) + 7, comment)
    writer.finish(5, received=len(frames), dropped=3)
    return file.getvalue()


def block(order: str, kind: int, body: bytes) -> bytes:
    """Return a block as another program may write it."""
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def foreign(order: str = ">", *blocks: tuple[int, bytes]) -> bytes:
    """Return a section of that byte order."""
    section = struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 2, -1)
    return b"".join(block(order, *each) for each in ((0x0A0D0D0A, section), *blocks))


@given(FRAMES, NAMES)
def test_what_is_written_is_read(frames: list[tuple[int, int, bytes, str]], names: dict[str, str]) -> None:
    """Times to the nanosecond, bytes, lengths, comments, interfaces, names and counters survive the file."""
    reader = Reader(io.BytesIO(written(frames, names)))
    expected = [
        Frame(time_ns, ("client", "web")[interface], data, len(data) + 7, comment)
        for interface, time_ns, data, comment in frames
    ]
    assert list(reader) == expected
    assert reader.names == names
    assert [i.description for i in reader.interfaces] == ["node client, network lan", "node web, network lan"]
    assert reader.statistics == {0: Statistics(len(frames), 3), 1: Statistics(0, 0)}
    assert not reader.truncated


@given(st.data())
def test_a_file_that_ends_anywhere_gives_what_it_holds(data: st.DataObject) -> None:
    """A killed writer's file loses its last block alone, and the reader tells that the end is missing."""
    whole = written([(0, 1, b"first", ""), (1, 2, b"second", "why"), (0, 3, b"third", "")])
    blocks, at = {}, 0
    while at < len(whole):
        kind, length = struct.unpack_from("<II", whole, at)
        at += length
        blocks[at] = kind
    end = data.draw(st.one_of(st.integers(4, len(whole)), st.sampled_from(list(blocks))))
    reader = Reader(io.BytesIO(whole[:end]))
    assert len(list(reader)) == sum(kind == 6 for after, kind in blocks.items() if after <= end)
    assert reader.truncated == (end != len(whole))


def test_after_a_flush_the_file_is_whole(tmp_path: Path) -> None:
    """What was flushed can be read while the writer is still open, with nothing missing."""
    path = tmp_path / "capture.pcapng"
    with path.open("wb") as file:
        writer = Writer(file)
        client = writer.add_interface("client")
        for number in range(3):
            writer.packet(client, number, bytes(number))
            writer.flush()
            capture = read_capture(path)
            assert capture.truncated, "there is more to come"
            assert len(capture.frames) == number + 1
        writer.finish(9, received=3, dropped=0)
        assert not read_capture(path).truncated


def test_counters_before_the_last_packet_are_not_the_last() -> None:
    """A recorder may tell its counters now and then; what came later was counted by none of them."""
    file = io.BytesIO()
    writer = Writer(file)
    writer.add_interface("client")
    writer.finish(1, received=0, dropped=0)
    writer.packet(0, 2, b"later")
    reader = Reader(io.BytesIO(file.getvalue()))
    assert len(list(reader)) == 1
    assert reader.truncated


@pytest.mark.parametrize(("application", "truncated"), [("netlab", True), ("dumpcap", False)])
def test_others_owe_no_counters(application: str, truncated: bool) -> None:
    """They are optional in the format: their absence says something in a file of this project's alone."""
    file = io.BytesIO()
    writer = Writer(file, application)
    assert list(reader := Reader(io.BytesIO(file.getvalue()))) == []
    assert reader.truncated == truncated
    writer.packet(writer.add_interface("lan"), 1, b"packet")
    assert len(list(reader := Reader(io.BytesIO(file.getvalue())))) == 1
    assert reader.truncated == truncated


@given(st.binary(max_size=200), st.sampled_from([b"", b"\n\r\r\n", foreign("<"), foreign(">")]))
def test_no_bytes_make_it_raise_anything_but_a_sentence(data: bytes, start: bytes) -> None:
    """Whatever the file holds, the reader reads or raises NetlabError."""
    with suppress(NetlabError):
        list(Reader(io.BytesIO(start + data)))


@given(st.data())
def test_a_changed_byte_makes_it_raise_nothing_but_a_sentence(data: st.DataObject) -> None:
    """A sound file with one byte changed is read, or it is told that it is damaged."""
    whole = bytearray(written([(0, 1, b"first", "why"), (1, 2, b"second", "")], {"10.0.0.1": "web"}))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(NetlabError):
        list(Reader(io.BytesIO(bytes(whole))))


@pytest.mark.parametrize("order", ["<", ">"])
def test_other_programs_files_are_read(order: str) -> None:
    """Either byte order, an unknown block and option, microseconds by default, an offset, no comment."""
    name = struct.pack(order + "HH", 2, 3) + b"en0\0"
    unknown = struct.pack(order + "HH", 2988, 2) + b"xx\0\0"
    offset = struct.pack(order + "HHq", 14, 8, 100)
    interface = struct.pack(order + "HHI", 1, 0, 0) + unknown + name + offset  # no end mark: it is optional
    packet = struct.pack(order + "5I", 0, 0, 2_000_001, 3, 3) + b"abc\0"
    reader = Reader(io.BytesIO(foreign(order, (1, interface), (0xBAD, b"what"), (6, packet))))
    assert list(reader) == [Frame(102_000_001_000, "en0", b"abc", 3)]


@pytest.mark.parametrize(
    ("resolution", "nanoseconds"), [(b"\x03", 5_000_000), (b"\x0c", 0), (b"\x81", 2_500_000_000)]
)
def test_time_of_any_resolution(resolution: bytes, nanoseconds: int) -> None:
    """Five ticks of a millisecond, of a picosecond and of half a second."""
    interface = struct.pack(">HHI", 1, 0, 0) + struct.pack(">HH", 9, 1) + resolution + b"\0\0\0"
    packet = struct.pack(">5I", 0, 0, 5, 0, 0)
    assert [f.time_ns for f in Reader(io.BytesIO(foreign(">", (1, interface), (6, packet))))] == [nanoseconds]


def test_sections_follow_each_other() -> None:
    """A second section, of the other byte order, counts its interfaces from 0 again."""
    both = written([(1, 7, b"a", "")])
    both += foreign(">", (1, struct.pack(">HHI", 1, 0, 0)), (6, struct.pack(">5I", 0, 0, 1, 0, 0)))
    assert [(f.interface, f.time_ns) for f in Reader(io.BytesIO(both))] == [("web", 7), ("0", 1000)]


def test_older_packet_blocks() -> None:
    """A simple packet block has no time; the obsolete packet block has one."""
    interface = struct.pack(">HHI", 1, 0, 0)
    simple = struct.pack(">I", 3) + b"abc\0"
    old = struct.pack(">HH4I", 0, 0, 0, 4, 3, 9) + b"def\0"
    frames = list(Reader(io.BytesIO(foreign(">", (1, interface), (3, simple), (2, old)))))
    assert frames == [Frame(0, "0", b"abc", 3), Frame(4000, "0", b"def", 9)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x: the file is empty — the recording never began; record it again"),
        (b"hello", "x: this is not a pcapng file — name a capture that a lab recorded"),
        (
            b"\xd4\xc3\xb2\xa1" + bytes(20),
            "x: this is pcap, not pcapng — convert it: editcap IN.pcap OUT.pcapng",
        ),
        (b"\x1f\x8b" + bytes(20), "x: this file is compressed — unpack it first: gunzip FILE"),
        (
            foreign(">", (6, struct.pack(">5I", 0, 0, 0, 0, 0))),
            "x: damaged at byte 28: a packet of interface 0, which was never described"
            " — use the file as it was recorded, or record it again",
        ),
        (
            foreign(">", (7, b""))[:-1] + b"\x77",
            "x: damaged at byte 28: a block's two lengths differ"
            " — use the file as it was recorded, or record it again",
        ),
    ],
)
def test_what_is_wrong_is_said(data: bytes, message: str) -> None:
    """A file of another kind, and a damaged one, are told apart, each with what to do."""
    with pytest.raises(NetlabError) as raised:
        list(Reader(io.BytesIO(data), "x"))
    assert str(raised.value) == message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A wrong path is the user's word, not a traceback."""
    with pytest.raises(UsageError, match="No such file"):
        read_capture(tmp_path / "none.pcapng")
