"""Judge a run of lab window by its record alone: proof.py RUN_DIRECTORY."""

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

from netlab.lab.proof import judge, served
from netlab.lab.record import read_packets
from netlab.report.dissect import dissect
from netlab.report.headers import ACK, SYN, WINDOW_SCALE, Tcp

SPACE = 2**32


@dataclass(frozen=True)
class Segment:
    """A segment: when and at which port of the switch, named for its sender, it came in.

    `seq` and `ack` count from the first byte of their direction; `window` is in bytes, scaled.
    """

    time: float
    sender: str
    tcp: Tcp
    seq: int
    ack: int
    window: int
    data: bytes


def scale(tcp: Tcp) -> int | None:
    """Return the option's value; None: it is not there."""
    return next((option.value[0] for option in tcp.options if option.kind == WINDOW_SCALE), None)


def read(run: Path) -> list[Segment]:
    """Return the recorded TCP segments in order."""
    found, first, shift = [], {}, 0
    for frame in read_packets(run):
        packet = dissect(frame.data, frame.original_length)
        if not isinstance(tcp := packet.transport, Tcp):
            continue
        port = frame.interface
        if tcp.flags & SYN:
            first[port] = tcp.sequence + 1
            shift = scale(tcp) or 0 if port == "client" else shift
        other = first.get("web" if port == "client" else "client", 0)
        seq, ack = (tcp.sequence - first.get(port, 0)) % SPACE, (tcp.acknowledgment - other) % SPACE
        window = tcp.window << (shift if port == "client" and not tcp.flags & SYN else 0)
        found.append(Segment(frame.time_ns / 1e9, port, tcp, seq, ack, window, packet.payload))
    return found


def overshoots(segments: list[Segment], *, scaled: bool) -> int:
    """Count the server's segments that go beyond what client has allowed, with its scale or without it."""
    edge, beyond = 0, 0
    for one in segments:
        if one.sender == "client" and not one.tcp.flags & SYN:
            edge = max(edge, one.ack + (one.window if scaled else one.tcp.window))
        elif one.sender == "web" and one.data:
            beyond += one.seq + len(one.data) > edge
    return beyond


def put_together(segments: list[Segment]) -> bytes:
    """Return what the server said, up to the first gap."""
    said = b""
    for seq, data in sorted((one.seq, one.data) for one in segments if one.sender == "web" and one.data):
        said += data[len(said) - seq :] if seq <= len(said) else b""
    return said


def closed_window(segments: list[Segment]) -> list[Segment] | None:
    """Return the segments from the ACK that closes client's window to the one that opens it."""
    ends = []
    for at, one in enumerate(segments):
        acknowledges = one.sender == "client" and one.tcp.flags & ACK and not one.tcp.flags & SYN
        if acknowledges and (one.window == 0) == (not ends):
            ends.append(at)
        if len(ends) == 2:
            return segments[ends[0] : ends[1] + 1]
    return None


def prove(run: Path) -> list[tuple[bool, str]]:
    """Return each claim: whether it holds, and what it says."""
    segments = read(run)
    closed = closed_window(segments)
    if closed is None:
        return [(False, "A window of client's closes to zero, and opens again.")]
    first, update = closed[0], closed[-1]
    probes = [one for one in closed if one.sender == "web"]
    answers = [one for one in closed[1:-1] if one.sender == "client"]
    waits = [later.time - earlier.time for earlier, later in itertools.pairwise([first, *probes])]
    grow = all(later > 1.5 * earlier for earlier, later in itertools.pairwise(waits))
    after = next((one for one in segments if one.time > update.time and one.sender == "web"), None)
    gap = after.time - update.time if after else 0.0
    scales = [(one.sender, scale(one.tcp)) for one in segments if scale(one.tcp) is not None]
    beyond, unscaled = overshoots(segments, scaled=True), overshoots(segments, scaled=False)
    body = put_together(segments).partition(b"\r\n\r\n")[2]
    shown = ", ".join(f"{wait:.2f}" for wait in waits)
    return [
        (
            [sender for sender, _ in scales] == ["client", "web"] and segments[0].tcp.flags == SYN,
            f"Two segments have a window scale, SYN and SYN-ACK: {dict(scales)}.",
        ),
        (
            beyond == 0 and unscaled > 0,
            f"Segments beyond client's window: {beyond}; if its scale did not count: {unscaled}.",
        ),
        (first.window == 0, f"It closes {first.ack} bytes after B+1, for {update.time - first.time:.2f} s."),
        (
            all(one.seq + len(one.data) <= first.ack for one in probes),
            f"Meanwhile the server says nothing new, but probes: {len(probes)} times.",
        ),
        (
            len(probes) >= 2 and waits[0] > 0.9 and grow,
            f"It waits longer each time before it asks: {shown} s.",
        ),
        (
            [one.ack for one in answers] == [first.ack] * len(probes),
            f"Each probe is answered, with window 0 and the same ack: {len(answers)} times.",
        ),
        (
            update.ack == first.ack and after is not None and after.seq == first.ack and gap < waits[0] / 2,
            f"The update has that ack, too, window {update.window}; {gap * 1e6:.0f} µs later data comes.",
        ),
        (
            body == served("window"),
            f"The body, put together from the record, is the server's file: {len(body)} bytes.",
        ),
    ]


if __name__ == "__main__":
    told, proved = judge(prove, sys.argv[1])
    print(told)
    sys.exit(not proved)
