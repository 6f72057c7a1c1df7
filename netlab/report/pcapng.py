"""Captures as pcapng files (draft-ietf-opsawg-pcapng): what a lab records, and what the trace is made from.

`Writer` and `Reader` are each other's counterpart; the reader also takes what other programs write.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO

from netlab.errors import CaptureError, UsageError
from netlab.report import fates
from netlab.report.frame import Frame

ETHERNET = 1  # LINKTYPE_ETHERNET
SNAPLEN = 262144
APPLICATION = "netlab"  # a section of its making ends with the statistics of every interface

_SECTION = 0x0A0D0D0A  # reads the same in both byte orders
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _NAMES, _STATISTICS, _PACKET = 1, 2, 3, 4, 5, 6
_COMMENT = 1  # the same option code in every block
_MAX_BLOCK = 16 * 1024 * 1024  # more than any block that is meant; a length beyond it is damage

_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
_PACKET_HEAD = struct.Struct("<7I")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Interface:
    """Where packets were recorded; `ticks` of its clock make a second, `offset` is in seconds."""

    name: str
    description: str = ""
    link_type: int = ETHERNET
    ticks: int = 1_000_000
    offset: int = 0

    def nanoseconds(self, high: int, low: int) -> int:
        """Return a timestamp of this interface as nanoseconds since the epoch."""
        return ((high << 32 | low) * 1_000_000_000) // self.ticks + self.offset * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Statistics:
    """What one interface's recorder counted: packets it was given, packets it lost."""

    received: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Capture:
    """A whole file: `names` are by address, `statistics` by index into `interfaces`.

    `truncated` tells that the end is missing: the last block is incomplete, or it is a capture of this
    project's without the statistics that its writer ends with.
    """

    frames: tuple[Frame, ...]
    interfaces: tuple[Interface, ...]
    names: Mapping[str, str]
    statistics: Mapping[int, Statistics]
    truncated: bool
    has_notes: bool = False  # of wires, in blocks of the project's own

    @property
    def dropped(self) -> int:
        """How many packets the recorders of this capture lost."""
        return sum(statistics.dropped for statistics in self.statistics.values())


class Writer:
    """Writes one section: little-endian, Ethernet, time in nanoseconds.

    Every method hands the file whole blocks in one `write`, so after any `flush` the file can be read.
    It is complete with the `finish`; without that, readers take it for broken off.
    """

    def __init__(self, file: BinaryIO, application: str = APPLICATION) -> None:
        self._write = file.write
        self._flush = file.flush
        self._interfaces = 0
        version_and_length = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)
        self._write(_block(_SECTION, version_and_length + _encode_options((4, application.encode()))))

    def add_interface(self, name: str, description: str = "") -> int:
        """Declare an interface; return its number, which `packet` and `statistics` take."""
        options = [(2, name.encode()), (9, b"\x09")]
        if description:
            options.insert(1, (3, description.encode()))
        self._write(_block(_INTERFACE, struct.pack("<HHI", ETHERNET, 0, SNAPLEN) + _encode_options(*options)))
        self._interfaces += 1
        return self._interfaces - 1

    def add_names(self, names: Mapping[str, str]) -> None:
        """Record the name of each IPv4 or IPv6 address; ValueError where the text is no address."""
        body = b""
        for address, name in names.items():
            packed = ip_address(address).packed
            value = packed + name.encode() + b"\0"
            body += struct.pack("<HH", 1 if len(packed) == 4 else 2, len(value)) + _padded(value)
        self._write(_block(_NAMES, body + b"\0\0\0\0"))

    def packet(
        self, interface: int, time_ns: int, data: bytes, original_length: int = 0, comment: str = ""
    ) -> None:
        """Record a packet; `original_length` is needed only where `data` is not all of it."""
        # The hot path of every recording: one pack, one concatenation, one write.
        size = len(data)
        options = _encode_options((_COMMENT, comment.encode())) if comment else b""
        padding = _PADDING[size & 3]
        total = 32 + size + len(padding) + len(options)
        head = _PACKET_HEAD.pack(
            _PACKET, total, interface, time_ns >> 32, time_ns & 0xFFFFFFFF, size, original_length or size
        )
        self._write(head + data + padding + options + _LENGTH.pack(total))

    def fate(self, interface: int, note: fates.Note, snap: int | None = None) -> None:
        """Record what a wire did to a packet; `snap` is how much of packets is recorded here."""
        self._write(_block(fates.BLOCK, fates.encoded(note, interface, snap)))

    def statistics(self, interface: int, time_ns: int, received: int, dropped: int) -> None:
        """Record an interface's counters as they are at `time_ns`; the last ones written count."""
        counters = _encode_options((4, struct.pack("<Q", received)), (5, struct.pack("<Q", dropped)))
        head = struct.pack("<3I", interface, time_ns >> 32, time_ns & 0xFFFFFFFF)
        self._write(_block(_STATISTICS, head + counters))

    def finish(self, time_ns: int, received: int, dropped: int) -> None:
        """End the section: the counters of a recorder that heard all interfaces stand at the first."""
        for number in range(self._interfaces):
            first = number == 0
            self.statistics(number, time_ns, received if first else 0, dropped if first else 0)
        self.flush()

    def flush(self) -> None:
        """Hand everything written so far to the file system."""
        self._flush()


class Reader:
    """Iterates over the frames of a file, of either byte order and any number of sections.

    `interfaces`, `names`, `statistics` (by index into `interfaces`), `fates` and `truncated` are complete
    once the iteration has ended. What is no pcapng file, or a damaged one, raises CaptureError, which says
    `label`.
    """

    def __init__(self, file: BinaryIO, label: str = "the capture") -> None:
        self.interfaces: list[Interface] = []
        self.names: dict[str, str] = {}
        self.statistics: dict[int, Statistics] = {}
        self.fates: list[fates.Fate] = []
        self.truncated = False
        self._file = file
        self._label = label
        self._order = "<"
        self._offset = 0  # of the block being read, for messages
        self._next = 0
        self._first_interface = 0  # of this section, whose blocks count from 0
        self._enhanced = struct.Struct("<5I")
        self._is_ours = False  # this section
        self._unfinished: set[int] = set()  # interfaces of ours whose last counters have not come
        start = file.read(12)
        _check_is_pcapng(start, label)
        self._ahead = start

    def __iter__(self) -> Iterator[Frame]:
        while (block := self._block()) is not None:
            kind, body = block
            if kind == _PACKET:
                yield self._packet(body)
            elif kind == _SIMPLE_PACKET:
                yield self._simple_packet(body)
            elif kind == _OLD_PACKET:
                yield self._old_packet(body)
            elif kind == _SECTION:
                self._section(body)
            elif kind == _INTERFACE:
                self._await_statistics(len(self.interfaces))
                self.interfaces.append(self._interface(body))
            elif kind == _NAMES:
                self._add_names(body)
            elif kind == _STATISTICS:
                self._add_statistics(body)
            elif kind == fates.BLOCK and self._is_ours:
                self._add_fate(body)
        self.truncated = self.truncated or bool(self._unfinished)

    def _read(self, size: int) -> bytes:
        ahead, self._ahead = self._ahead[:size], self._ahead[size:]
        return ahead + self._file.read(size - len(ahead)) if len(ahead) < size else ahead

    def _block(self) -> tuple[int, bytes] | None:
        """Return the next block's type and body; None at the end, be it a clean one or not."""
        self._offset = self._next
        head = self._read(8)
        if len(head) < 8:
            self.truncated = bool(head)
            return None
        if head[:4] == b"\n\r\r\n":
            self._ahead = self._read(4) + self._ahead
            self._set_byte_order(self._ahead[:4])
        kind, length = struct.unpack(self._order + "II", head)
        if length < 12 or length % 4 or length > _MAX_BLOCK:
            raise self._damaged(f"a block cannot be {length} bytes long")
        rest = self._read(length - 8)
        if len(rest) < length - 8:
            self.truncated = True
            return None
        if rest[-4:] != head[4:]:
            raise self._damaged("a block's two lengths differ")
        self._next += length
        return kind, rest[:-4]

    def _set_byte_order(self, magic: bytes) -> None:
        for order in "<>":
            if magic == struct.pack(order + "I", _BYTE_ORDER_MAGIC):
                self._order = order
                self._enhanced = struct.Struct(order + "5I")
                return
        if len(magic) == 4:  # fewer, and the file ends here
            raise self._damaged("a section without byte order")

    def _section(self, body: bytes) -> None:
        self._first_interface = len(self.interfaces)
        self._is_ours = dict(self._options(body, 16)).get(4) == APPLICATION.encode()
        self._await_statistics(self._first_interface)  # there is one at least

    def _await_statistics(self, interface: int) -> None:
        if self._is_ours:
            self._unfinished.add(interface)

    def _packet(self, body: bytes) -> Frame:
        if len(body) < 20:
            raise self._damaged("a packet block is too short")
        number, high, low, size, original = self._enhanced.unpack_from(body)
        return self._frame(body, 20, (number, high, low, size, original))

    def _old_packet(self, body: bytes) -> Frame:
        if len(body) < 20:
            raise self._damaged("a packet block is too short")
        number, _, high, low, size, original = struct.unpack_from(self._order + "HH4I", body)
        return self._frame(body, 20, (number, high, low, size, original))

    def _simple_packet(self, body: bytes) -> Frame:
        """Return a frame of a block that has no time: it is 0."""
        if len(body) < 4:
            raise self._damaged("a packet block is too short")
        (original,) = struct.unpack_from(self._order + "I", body)
        return self._frame(body, 4, (0, 0, 0, min(original, len(body) - 4), original))

    def _frame(self, body: bytes, start: int, head: tuple[int, int, int, int, int]) -> Frame:
        number, high, low, size, original = head
        index = self._first_interface + number
        if index >= len(self.interfaces):
            raise self._damaged(f"a packet of interface {number}, which was never described")
        end = start + size
        if end > len(body):
            raise self._damaged("a packet is longer than its block")
        self._await_statistics(index)
        interface = self.interfaces[index]
        comment = ""
        if end + 4 < len(body) and start == 20:
            options = self._options(body, end + (-size & 3))
            comment = "\n".join(_text(value) for code, value in options if code == _COMMENT)
        return Frame(interface.nanoseconds(high, low), interface.name, body[start:end], original, comment)

    def _interface(self, body: bytes) -> Interface:
        if len(body) < 8:
            raise self._damaged("an interface block is too short")
        (link_type,) = struct.unpack_from(self._order + "H", body)
        options = dict(self._options(body, 8))
        resolution = options.get(9, b"\x06")[:1] or b"\x06"
        exponent = resolution[0] & 0x7F
        offset = options.get(14, b"")
        return Interface(
            name=_text(options.get(2, b"")) or str(len(self.interfaces) - self._first_interface),
            description=_text(options.get(3, b"")),
            link_type=link_type,
            ticks=(2 if resolution[0] & 0x80 else 10) ** exponent,
            offset=struct.unpack(self._order + "q", offset)[0] if len(offset) == 8 else 0,
        )

    def _add_names(self, body: bytes) -> None:
        for kind, value in self._options(body, 0):
            size = {1: 4, 2: 16}.get(kind, 0)
            name = _text(value[size:].split(b"\0")[0])
            if size and len(value) > size and name:
                self.names.setdefault(str(ip_address(value[:size])), name)

    def _add_statistics(self, body: bytes) -> None:
        if len(body) < 12:
            raise self._damaged("a statistics block is too short")
        (number,) = struct.unpack_from(self._order + "I", body)
        counters = {
            code: struct.unpack(self._order + "Q", value)[0]
            for code, value in self._options(body, 12)
            if code in (4, 5, 7) and len(value) == 8
        }
        # 4 is isb_ifrecv; 5 is isb_ifdrop, 7 isb_osdrop: what was lost on the way to the file.
        dropped = counters.get(5, 0) + counters.get(7, 0)
        self.statistics[self._first_interface + number] = Statistics(counters.get(4, 0), dropped)
        self._unfinished.discard(self._first_interface + number)

    def _add_fate(self, body: bytes) -> None:
        fate = fates.decoded(body, self._name) if self._order == "<" else None
        if fate is None:
            raise self._damaged("what a wire did cannot be read")
        self.fates.append(fate)

    def _name(self, number: int) -> str | None:
        index = self._first_interface + number
        return self.interfaces[index].name if index < len(self.interfaces) else None

    def _options(self, body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
        """Yield code and value of each option (or name record: the same form) up to the end mark."""
        while at + 4 <= len(body):
            code, size = struct.unpack_from(self._order + "HH", body, at)
            at += 4
            if code == 0 or at + size > len(body):
                return
            yield code, body[at : at + size]
            at += size + (-size & 3)

    def _damaged(self, why: str) -> CaptureError:
        what = f"{self._label}: damaged at byte {self._offset}: {why}"
        return CaptureError(what, "use the file as it was recorded, or record it again")


def read_capture(path: Path) -> Capture:
    """Return all of a file; UsageError where it cannot be opened, CaptureError where it is unsound."""
    try:
        with path.open("rb") as file:
            return capture_of(file, str(path))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "name a .pcapng file that you may read") from error


def capture_of(file: BinaryIO, label: str) -> Capture:
    """Return all of an open file; CaptureError, which says `label`, where it is unsound.

    What wires did to a packet is in its comment.
    """
    reader = Reader(file, label)
    frames = fates.settled(tuple(reader), reader.fates)
    about = (tuple(reader.interfaces), reader.names, reader.statistics, reader.truncated)
    return Capture(frames, *about, has_notes=bool(reader.fates))


def _check_is_pcapng(start: bytes, label: str) -> None:
    if not start:
        raise CaptureError(f"{label}: the file is empty", "the recording never began; record it again")
    if start[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d"):
        raise CaptureError(f"{label}: this is pcap, not pcapng", "convert it: editcap IN.pcap OUT.pcapng")
    if start[:2] == b"\x1f\x8b":
        raise CaptureError(f"{label}: this file is compressed", "unpack it first: gunzip FILE")
    if start[:4] != b"\n\r\r\n":
        raise CaptureError(f"{label}: this is not a pcapng file", "name a capture that a lab recorded")


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _padded(value: bytes) -> bytes:
    return value + _PADDING[len(value) & 3]


def _encode_options(*options: tuple[int, bytes]) -> bytes:
    clipped = [(code, value[:0xFFFF]) for code, value in options]  # the field for the length has 16 bits
    encoded = [struct.pack("<HH", code, len(value)) + _padded(value) for code, value in clipped]
    return b"".join([*encoded, b"\0\0\0\0"])


def _block(kind: int, body: bytes) -> bytes:
    total = len(body) + 12
    return struct.pack("<II", kind, total) + body + _LENGTH.pack(total)
