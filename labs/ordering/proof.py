"""Judge a run of lab ordering by its record alone: proof.py RUN_DIRECTORY."""

import sys
from dataclasses import dataclass
from pathlib import Path

from netlab.lab.proof import judge, served
from netlab.lab.record import read_kernel, read_packets
from netlab.report.dissect import dissect
from netlab.report.headers import ACK, FIN, PSH, RST, SYN, Tcp

SPACE = 2**32
OTHER = {"client": "web", "web": "client"}
PATIENCE = 3  # duplicate ACKs that a sender takes for the sign of a loss (RFC 5681, section 3.2)
TIMER = range(900, 3000)  # ms, within which a timer of one second goes off


@dataclass(frozen=True)
class Segment:
    """A segment as its sender has sent it, at `time` in ms; `fate` says what the wire has made of it.

    `seq` and `ack` count from the first byte of their direction; FIN and SYN are in `flags`, PSH is not.
    """

    time: float
    sender: str
    flags: int
    seq: int
    ack: int
    data: bytes
    fate: str

    @property
    def end(self) -> int:
        """The number after its data."""
        return self.seq + len(self.data)

    @property
    def arrives(self) -> bool:
        """Whether it arrives, and intact."""
        return "dropped by wire" not in self.fate and "corrupted by wire" not in self.fate


def read(run: Path) -> list[Segment]:
    """Return the recorded TCP segments in order."""
    found, first = [], {}
    for frame in read_packets(run):
        packet, sender = dissect(frame.data, frame.original_length), frame.interface
        if not isinstance(tcp := packet.transport, Tcp):
            continue
        if tcp.flags & SYN:
            first[sender] = tcp.sequence + 1
        seq = (tcp.sequence - first.get(sender, 0)) % SPACE
        ack = (tcp.acknowledgment - first.get(OTHER.get(sender, ""), 0)) % SPACE
        flags, time = tcp.flags & ~PSH, frame.time_ns / 1e6
        found.append(Segment(time, sender, flags, seq, ack, packet.payload, frame.comment))
    return found


def again(segments: list[Segment], one: Segment) -> list[Segment]:
    """Return what came between a segment and the next of its sender's with the same number, and that one.

    Empty: it was not sent again.
    """
    start = segments.index(one)
    copies = (
        at
        for at in range(start + 1, len(segments))
        if (segments[at].sender, segments[at].seq, segments[at].data) == (one.sender, one.seq, one.data)
    )
    end = next(copies, start)
    return segments[start + 1 : end + 1]


def asked(segments: list[Segment], one: Segment) -> int:
    """Count client's duplicate ACKs that ask for a segment, from when it was sent until it is sent again.

    Client's first ACK of its number is none of them, and may have come before the segment was sent.
    """
    start = segments.index(one)
    repeated = again(segments, one)
    end = start + len(repeated) if repeated else len(segments)
    acks = [at for at, each in enumerate(segments) if is_bare_ack(each, one.seq)]
    return sum(start < at < end for at in acks[1:])


def is_bare_ack(one: Segment, number: int) -> bool:
    """Tell whether a segment is client's ACK of a number."""
    return (one.sender, one.flags, one.ack) == ("client", ACK, number)


def says(segments: list[Segment], number: int) -> int:
    """Count client's ACKs of a number."""
    return sum(is_bare_ack(one, number) for one in segments)


def boasts(segments: list[Segment]) -> int:
    """Count client's segments that acknowledge a byte which had not come to it, or came damaged."""
    ends: dict[int, int] = {}  # of what has come: where each piece begins → where it ends
    due = found = 0
    for one in segments:
        if one.sender == "web" and one.arrives and (one.data or one.flags & FIN):
            ends[one.seq] = one.end + bool(one.flags & FIN)
            while due in ends:
                due = ends[due]
        elif one.sender == "client" and one.flags & ACK:
            found += one.ack > due
    return found


def put_together(segments: list[Segment]) -> bytes:
    """Return what web said, up to the first gap: of all that arrived, intact, each byte once."""
    said = b""
    for seq, data in sorted((one.seq, one.data) for one in segments if one.sender == "web" and one.arrives):
        said += data[len(said) - seq :] if seq <= len(said) else b""
    return said


def judge_request(segments: list[Segment], counted: int) -> list[tuple[bool, str]]:
    """Judge what became of client's request."""
    request = next(one for one in segments if one.sender == "client" and one.data)
    until = again(segments, request)
    waited = until[-1].time - request.time if until else 0
    return [
        (
            "corrupted by wire" in request.fate and counted == 1 and len(until) == 1,
            f"Client's GET is damaged; web counts {counted} wrong checksum, and says nothing.",
        ),
        (
            int(waited) in TIMER,
            f"Client waits {waited / 1000:.1f} s for an ACK, and sends the same again.",
        ),
    ]


def judge_gaps(segments: list[Segment], counted: int) -> list[tuple[bool, str]]:
    """Judge each of web's segments that was late, lost or damaged while others followed it."""
    pieces = [one for one in segments if one.sender == "web" and one.data and not one.flags & FIN]
    late = [one for one in pieces if "reordered by wire" in one.fate]
    lost = [one for one in pieces if "dropped by wire" in one.fate]
    damaged = [one for one in pieces if "corrupted by wire" in one.fate]
    counts = [asked(segments, one) for one in late]
    claims = [
        (
            bool(late)
            and not any(again(segments, one) for one in late)
            and all(0 < number < PATIENCE for number in counts),
            f"A segment is late: {sum(counts)} duplicate ACKs ask for it, and web does not send it again.",
        )
    ]
    for what, those in (("lost", lost), ("damaged", damaged)):
        between = [again(segments, one) for one in those]
        numbers = [asked(segments, one) for one in those]
        times = [some[-1].time - one.time for some, one in zip(between, those, strict=True) if some]
        claims.append(
            (
                bool(those)
                and all(between)
                and all(number >= PATIENCE for number in numbers)
                and all(time < TIMER[0] for time in times),
                f"A segment is {what}: {sum(numbers)} duplicate ACKs ask for it, and web sends it again.",
            )
        )
    told = f"So client's kernel, which looks on, counts {counted} wrong checksum."
    return [*claims, (counted == len(damaged), told)]


def judge_twice_and_last(segments: list[Segment]) -> list[tuple[bool, str]]:
    """Judge web's segment that came twice, and its last one, which was lost."""
    heard = [one for one in segments if one.sender == "web"]
    twice = [one for one in heard if "duplicated by wire" in one.fate]
    last = [one for one in heard if one.flags & FIN and not one.arrives]
    waits = [some[-1].time - one.time for one in last if (some := again(segments, one))]
    seconds = ", ".join(f"{wait / 1000:.1f}" for wait in waits) or "no"
    return [
        (
            bool(twice) and all(says(segments, one.end) == 2 for one in twice),
            "A segment arrives twice: client says twice what is next, and has it once.",
        ),
        (
            len(waits) == len(last) == 1 and int(waits[0]) in TIMER,
            f"The last segment is lost, nothing behind it asks for it: {seconds} s later it comes again.",
        ),
    ]


def prove(run: Path) -> list[tuple[bool, str]]:
    """Return each claim: whether it holds, and what it says."""
    segments = read(run)
    opening = [(one.sender, one.flags) for one in segments[:3]]
    opened = opening == [("client", SYN), ("web", SYN | ACK), ("client", ACK)]
    if not opened or not {"client", "web"} <= {one.sender for one in segments if one.data}:
        return [(False, "SYN, SYN-ACK, ACK open the connection, and client gets an answer.")]
    counted = {name: read_kernel(run)[name]["Tcp"]["InCsumErrors"] for name in ("client", "web")}
    body = put_together(segments).partition(b"\r\n\r\n")[2]
    fins = {one.sender: one.end for one in segments if one.flags & FIN}
    acks = {one.sender: one.ack for one in segments}  # each side's last
    closed = set(fins) == set(OTHER) and all(acks[OTHER[one]] == fins[one] + 1 for one in fins)
    resets, ahead = sum(bool(one.flags & RST) for one in segments), boasts(segments)
    return [
        *judge_request(segments, counted["web"]),
        *judge_gaps(segments, counted["client"]),
        *judge_twice_and_last(segments),
        (ahead == 0, f"Client's ACKs of what had not come, or not intact: {ahead}."),
        (
            body == served("ordering"),
            f"The body, put together from what arrived, is the server's file: {len(body)} bytes.",
        ),
        (closed and not resets, f"FIN closes either side, and each is acknowledged; RSTs: {resets}."),
    ]


if __name__ == "__main__":
    told, proved = judge(prove, sys.argv[1])
    print(told)
    sys.exit(not proved)
