"""Judge a run of lab handshake by its record alone: proof.py RUN_DIRECTORY."""

import sys
from pathlib import Path

from page import parse
from stream import SPACE, Stream

from netlab.lab.proof import judge, served
from netlab.lab.record import read_kernel, read_packets
from netlab.report.dissect import dissect
from netlab.report.headers import ACK, FIN, PSH, RST, SYN, Tcp

Segment = tuple[str, Tcp, bytes]
"""The switch's port where it came in, which has its sender's name; its header; its data."""


def read(run: Path) -> list[Segment]:
    """Return the recorded TCP segments in order."""
    packets = [(frame.interface, dissect(frame.data, frame.original_length)) for frame in read_packets(run)]
    return [(port, one.transport, one.payload) for port, one in packets if isinstance(one.transport, Tcp)]


def most_under_way(segments: list[Segment], first: int) -> int:
    """Return how many bytes of the server's, whose first has that number, were unacknowledged at most."""
    sent = acknowledged = most = 0
    for sender, tcp, data in segments:
        if sender == "web" and data:
            sent = max(sent, (tcp.sequence - first) % SPACE + len(data))
        elif sender == "client" and tcp.flags & ACK:
            acknowledged = (tcp.acknowledgment - first) % SPACE
        most = max(most, sent - acknowledged)
    return most


def prove(run: Path) -> list[tuple[bool, str]]:
    """Return each claim: whether it holds, and what it says."""
    segments = read(run)
    steps = [(sender, tcp.flags & ~PSH) for sender, tcp, _ in segments]
    if steps[:3] != [("client", SYN), ("web", SYN | ACK), ("client", ACK)]:
        return [(False, "SYN, SYN-ACK, ACK open the connection")]
    (_, syn, _), (_, syn_ack, _), (_, third, _) = segments[:3]
    a, b = (syn.sequence + 1) % SPACE, (syn_ack.sequence + 1) % SPACE
    stream = Stream(b)
    for sender, tcp, data in segments[2:]:
        if sender == "web":
            stream.add(tcp.sequence, data, fin=bool(tcp.flags & FIN))
    held = read_kernel(run)["client"].get("rules", {}).get("hold-back-rst", 0)
    heard = sum(sender == "web" for sender, _ in steps)
    resets = sum(bool(flags & RST) for _, flags in steps)
    most, body = most_under_way(segments, b), parse(stream.data)[2]
    numbers = (syn_ack.acknowledgment, third.sequence, third.acknowledgment)
    end = [("client", FIN | ACK), ("web", ACK), ("web", FIN | ACK), ("client", ACK)]
    # A server that closes at once, as most do, says its ACK and its FIN in one segment.
    at_once = steps[-3:] == [end[0], *end[2:]]
    closing = "FIN, FIN with the ACK, ACK" if at_once else "FIN, ACK, FIN, ACK"
    return [
        (numbers == (a, a, b), "SYN seq=A; SYN-ACK seq=B ack=A+1; ACK seq=A+1 ack=B+1."),
        (resets == 0, f"RSTs that came into the switch: {resets}."),
        (
            held == heard,
            f"RSTs of client's kernel that the rule held back: {held}; segments it got: {heard}.",
        ),
        (most <= syn.window, f"Never more under way than the window of {syn.window}: at most {most} bytes."),
        (
            body == served("handshake"),
            f"The body, put together from the record, is the server's file: {len(body)} bytes.",
        ),
        (at_once or steps[-4:] == end, f"{closing} close it."),
    ]


if __name__ == "__main__":
    told, proved = judge(prove, sys.argv[1])
    print(told)
    sys.exit(not proved)
