"""Judge a run of lab close by its record alone: proof.py RUN_DIRECTORY."""

import sys
from dataclasses import dataclass
from pathlib import Path

from netlab.lab.proof import judge, served
from netlab.lab.record import read_packets
from netlab.report.dissect import dissect
from netlab.report.headers import ACK, FIN, PSH, RST, SYN, Tcp, Udp

OTHER = {"client": "web", "web": "client"}
STATES_PORT = 15
PART = 10_000  # bytes, which the request of the half-closed connection is for
# What web's kernel says of the connections, in the order of the scenes.
STATES = [
    *("CLOSED", "FIN-WAIT-2", "TIME-WAIT", "CLOSED"),
    *("ESTABLISHED", "CLOSED", "CLOSING", "TIME-WAIT"),
]


@dataclass(frozen=True)
class Segment:
    """A segment: who sent it, its flags without PSH, its numbers counted from the two SYNs, its data."""

    sender: str
    flags: int
    seq: int
    ack: int
    data: bytes

    @property
    def end(self) -> int:
        """The number after it; FIN takes one."""
        return self.seq + len(self.data) + bool(self.flags & FIN)


def read(run: Path) -> tuple[list[list[Segment]], list[str]]:
    """Return the connections in the order of their SYNs, and all that web's UDP port 15 has said."""
    connections: dict[int, list[Segment]] = {}
    begins: dict[tuple[int, str], int] = {}
    said = []
    for frame in read_packets(run):
        packet, sender = dissect(frame.data, frame.original_length), frame.interface
        tcp = packet.transport
        if isinstance(tcp, Udp) and tcp.source_port == STATES_PORT and sender == "web":
            said.append(packet.payload.decode(errors="replace"))
        if not isinstance(tcp, Tcp):
            continue
        client = tcp.source_port if sender == "client" else tcp.destination_port
        other = OTHER.get(sender, "")
        begin = begins.setdefault((client, sender), tcp.sequence)
        seq = (tcp.sequence - begin) % 2**32
        ack = (tcp.acknowledgment - begins.get((client, other), 0)) % 2**32
        segment = Segment(sender, tcp.flags & ~PSH, seq, ack, packet.payload)
        connections.setdefault(client, []).append(segment)
    return list(connections.values()), said


def end_of(connection: list[Segment]) -> list[tuple[str, int]]:
    """Return who sent what from the first FIN on; an ACK of data, which may come late, is no part of it."""
    first = next((at for at, one in enumerate(connection) if one.flags & FIN), len(connection))
    ends = {OTHER[one.sender]: one.end for one in connection if one.flags & FIN}
    return [
        (one.sender, one.flags)
        for one in connection[first:]
        if one.flags != ACK or one.ack == ends.get(one.sender)
    ]


def closes(connection: list[Segment], first: str, second: str, again: int) -> bool:
    """Tell whether it ends with FIN, ACK, FIN, ACK; and then the client's FIN again, and its answer.

    An ACK may go with its sender's own FIN.
    """
    fin, ack = FIN | ACK, ACK
    four = [(first, fin), (second, ack), (second, fin), (first, ack)]
    repeated = [("client", fin), ("web", again)]
    end = end_of(connection)
    return end in ([*four, *repeated], [four[0], *four[2:], *repeated]) and is_acknowledged(connection)


def is_acknowledged(connection: list[Segment]) -> bool:
    """Tell whether either side's FIN has the acknowledgment that counts it."""
    fins = [one for one in connection if one.flags & FIN]
    acks = {(one.sender, one.ack) for one in connection if one.flags & ACK}
    return {one.sender for one in fins} == set(OTHER) and all(
        (OTHER[fin.sender], fin.end) in acks for fin in fins
    )


def data_after_fin(connection: list[Segment]) -> bytes:
    """Return what web has sent after it acknowledged the client's FIN, put together."""
    fin = next((one for one in connection if one.sender == "client" and one.flags & FIN), None)
    if fin is None:
        return b""
    parts = {one.seq: one.data for one in connection if one.sender == "web" and one.ack == fin.end}
    return b"".join(data for _, data in sorted(parts.items()))


def is_aborted(connection: list[Segment]) -> bool:
    """Tell whether a RST ahead of its number was asked about, the right one met silence, and data RST."""
    at = next((number for number, one in enumerate(connection) if one.flags & RST), 0)
    end = connection[at:]
    told = [(one.sender, one.flags & (RST | ACK)) for one in end]
    if [sender for sender, _ in told] != ["client", "web", "client", "client", "web"]:
        return False
    forged, challenge, rst, late, last = end
    flags = (challenge.flags, rst.flags & RST, late.flags, last.flags)
    return flags == (ACK, RST, ACK, RST) and forged.seq != rst.seq == challenge.ack == late.seq


def cross(connection: list[Segment]) -> bool:
    """Tell whether neither FIN's sender had heard of the other's, and both were acknowledged then."""
    fins = {one.sender: one for one in connection if one.flags & FIN}
    if set(fins) != {"client", "web"}:
        return False
    ours, theirs = fins["client"], fins["web"]
    return ours.ack < theirs.end and theirs.ack < ours.end and is_acknowledged(connection)


def prove(run: Path) -> list[tuple[bool, str]]:
    """Return each claim: whether it holds, and what it says."""
    connections, said = read(run)
    opened = [one for one in connections if [each.flags for each in one[:3]] == [SYN, SYN | ACK, ACK]]
    if len(opened) != len(connections) or len(opened) != 6:
        return [(False, f"six connections, opened by a handshake: {len(opened)} of {len(connections)}")]
    ours, theirs, half, aborted, both, kernels = connections
    page = data_after_fin(half).partition(b"\r\n\r\n")[2]
    four = [("client", FIN | ACK), ("web", ACK), ("web", FIN | ACK), ("client", ACK)]
    return [
        (
            closes(ours, "client", "web", RST),
            "FIN, ACK, FIN, ACK, the client's first; its FIN once more: RST, for web has forgotten it.",
        ),
        (
            closes(theirs, "web", "client", ACK),
            "Web's FIN first; the client's once more: ACK, for web is in TIME-WAIT.",
        ),
        (
            len(page) == PART and served("close").startswith(page) and is_acknowledged(half),
            f"After the client's FIN, web sent what it was asked for, all of it: {len(page)} bytes.",
        ),
        (
            is_aborted(aborted),
            "A RST with a wrong number: a challenge ACK; with the right one: silence; data then: RST.",
        ),
        (cross(both), "The two FINs crossed: neither acknowledges the other; both were acknowledged."),
        (said == STATES, f"Web's kernel was in: {', '.join(said)}."),
        (
            end_of(kernels) in (four, [four[0], *four[2:]]),
            "The kernel's own socket was closed in the same way.",
        ),
    ]


if __name__ == "__main__":
    told, proved = judge(prove, sys.argv[1])
    print(told)
    sys.exit(not proved)
