"""Judge a run of lab unfinished by its record alone: proof.py RUN_DIRECTORY."""

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

from netlab.lab.proof import judge, served
from netlab.lab.record import read_kernel, read_packets
from netlab.report.dissect import dissect
from netlab.report.headers import ACK, FIN, PSH, RST, SYN, Tcp

SPACE = 2**32
ENDS = (("client", "web"), ("web", "client"))


@dataclass(frozen=True)
class Segment:
    """A segment: when, at which port of the switch, named for its sender, its header, and its data."""

    time: float
    sender: str
    tcp: Tcp
    data: bytes

    @property
    def flags(self) -> int:
        """Its flags but for PSH, which changes nothing here."""
        return self.tcp.flags & ~PSH


def read(run: Path) -> list[Segment]:
    """Return the recorded TCP segments in order."""
    packets = [(frame, dissect(frame.data, frame.original_length)) for frame in read_packets(run)]
    return [
        Segment(frame.time_ns / 1e9, frame.interface, packet.transport, packet.payload)
        for frame, packet in packets
        if isinstance(packet.transport, Tcp)
    ]


def put_together(response: list[Segment], first: int) -> bytes:
    """Return what segments say, whose bytes count from `first`, up to the first gap."""
    said = b""
    for place, data in sorted(((one.tcp.sequence - first) % SPACE, one.data) for one in response):
        said += data[len(said) - place :] if place <= len(said) else b""
    return said


def judge_silence(before: list[Segment], counted: int) -> list[tuple[bool, str]]:
    """Judge the response as far as it came before client acknowledged any of it."""
    first = before[0].tcp.sequence
    copies = [one for one in before if one.tcp.sequence == first]
    others = [one for one in before if one.tcp.sequence != first]
    waits = [later.time - earlier.time for earlier, later in itertools.pairwise(copies)]
    doubled = all(1.5 < later / earlier < 2.5 for earlier, later in itertools.pairwise(waits))
    return [
        (
            len(copies) >= 3 and len({one.data for one in copies}) == 1,
            f"Nobody acknowledges; the response's first segment comes {len(copies)} times, unchanged.",
        ),
        (
            len(waits) >= 2 and waits[0] > 0.9 and doubled,
            f"Each wait is twice as long as the last: {', '.join(f'{wait:.2f}' for wait in waits)} s.",
        ),
        (
            len({one.tcp.sequence for one in others}) == len(others),
            f"Of the {len(others)} segments behind it none is repeated.",
        ),
        (counted == len(copies) - 1, f"What web's kernel sent again, as it counts: {counted} segments."),
    ]


def prove(run: Path) -> list[tuple[bool, str]]:
    """Return each claim: whether it holds, and what it says."""
    segments = read(run)
    opening = [(one.sender, one.flags) for one in segments[:3]]
    if opening != [("client", SYN), ("web", SYN | ACK), ("client", ACK)]:
        return [(False, "SYN, SYN-ACK, ACK open the connection.")]
    first = (segments[1].tcp.sequence + 1) % SPACE
    heard = [at for at, one in enumerate(segments) if one.sender == "web" and one.data]
    said_of_it = [(at, one.tcp.acknowledgment) for at, one in enumerate(segments) if one.sender == "client"]
    thanks = [at for at, ack in said_of_it if at > 2 and ack != first]
    if not heard or not thanks or thanks[0] < heard[0]:
        return [(False, "The server answers, and in the end client acknowledges that.")]
    response = [segments[at] for at in heard]
    before = [segments[at] for at in heard if at < thanks[0]]
    counted = read_kernel(run)["web"]["Tcp"]["RetransSegs"]
    had, said = put_together(before, first), put_together(response, first)
    acknowledged = (segments[thanks[0]].tcp.acknowledgment - first) % SPACE
    later = [one.tcp.sequence for one in response[len(before) :]]
    body = said.partition(b"\r\n\r\n")[2]
    fins = {one.sender: one.tcp.sequence + len(one.data) for one in segments if one.flags & FIN}
    acks = {one.sender: one.tcp.acknowledgment - 1 for one in segments}  # each side's last
    heard_both = [(acks[other] - fins.get(one, 0)) % SPACE for one, other in ENDS] == [0, 0]
    resets = sum(bool(one.flags & RST) for one in segments)
    return [
        (True, "SYN, SYN-ACK, ACK open the connection."),
        *judge_silence(before, counted),
        (acknowledged == len(had), f"Then client acknowledges all that has come: {acknowledged} bytes."),
        (
            len(set(later)) == len(later) > 0,
            f"The server sends on, nothing twice: {len(later)} segments.",
        ),
        (
            body == served("unfinished"),
            f"The body, put together from the record, is the server's file: {len(body)} bytes.",
        ),
        (
            len(fins) == 2 and heard_both and not resets,
            f"FIN closes either side, and each is acknowledged; RSTs: {resets}.",
        ),
    ]


if __name__ == "__main__":
    told, proved = judge(prove, sys.argv[1])
    print(told)
    sys.exit(not proved)
