"""Judge a run of lab ports by its record alone: proof.py RUN_DIRECTORY."""

import sys
from pathlib import Path

from netlab.lab.proof import judge
from netlab.lab.record import read_packets
from netlab.report.dissect import dissect
from netlab.report.headers import ACK, RST, SYN, Icmp, Packet, Tcp, Udp

DYNAMIC_PORTS = range(49152, 65536)
PORT_UNREACHABLE = (3, 3)  # ICMP's type and code

Conversation = list[tuple[str, Packet]]
"""Packets in order, each with the switch's port where it came in, which has its sender's name."""


def ends(packet: Packet) -> frozenset[tuple[str, int]]:
    """Return both ends of a TCP segment or a UDP datagram, the same for either direction."""
    ip, transport = packet.ip, packet.transport
    assert ip is not None
    assert isinstance(transport, Tcp | Udp)
    return frozenset(((ip.source, transport.source_port), (ip.destination, transport.destination_port)))


def conversations(run: Path, kind: type[Tcp | Udp]) -> list[Conversation]:
    """Return the TCP or UDP packets that were recorded, each conversation by itself, the first one first."""
    found: dict[frozenset[tuple[str, int]], Conversation] = {}
    for frame in read_packets(run):
        packet = dissect(frame.data, frame.original_length)
        if isinstance(packet.transport, kind):
            found.setdefault(ends(packet), []).append((frame.interface, packet))
    return list(found.values())


def errors(run: Path) -> Conversation:
    """Return the ICMP messages of web: those that say that nobody is at a port."""
    packets = [(frame.interface, dissect(frame.data, frame.original_length)) for frame in read_packets(run)]
    return [(port, one) for port, one in packets if port == "web" and isinstance(one.transport, Icmp)]


def refusals(talks: list[Conversation]) -> list[tuple[Tcp, Tcp]]:
    """Return each segment of client's that web answered with RST, and nothing else, beside that RST."""
    pairs = []
    for talk in talks:
        asked = [packet.transport for port, packet in talk if port == "client"]
        told = [packet.transport for port, packet in talk if port == "web"]
        if len(asked) == len(told) and all(isinstance(one, Tcp) and one.flags & RST for one in told):
            pairs += [(one, other) for one, other in zip(asked, told, strict=True)]
    return [(one, other) for one, other in pairs if isinstance(one, Tcp) and isinstance(other, Tcp)]


def follows_the_rule(asked: Tcp, rst: Tcp) -> bool:
    """RFC 9293, section 3.10.7.1: where there is no connection, what an RST is made of."""
    if asked.flags & ACK:
        return (rst.flags, rst.sequence) == (RST, asked.acknowledgment)
    after = (asked.sequence + bool(asked.flags & SYN)) % 2**32
    return (rst.flags, rst.sequence, rst.acknowledgment) == (RST | ACK, 0, after)


def served(talks: list[Conversation]) -> dict[tuple[str, int], set[bytes]]:
    """Return who answered a SYN with SYN-ACK, by node and port, and the data that came from there."""
    found: dict[tuple[str, int], set[bytes]] = {}
    for talk in talks:
        for port, packet in talk:
            tcp = packet.transport
            if isinstance(tcp, Tcp) and port != "client":
                if tcp.flags & (SYN | ACK) == SYN | ACK:
                    found.setdefault((port, tcp.source_port), set())
                elif packet.payload:
                    found[port, tcp.source_port].add(packet.payload)
    return found


def prove(run: Path) -> list[tuple[bool, str]]:
    """Return each claim: whether it holds, and what it says."""
    datagrams, segments = conversations(run, Udp), conversations(run, Tcp)
    firsts = [talk[0][1].transport for talk in (*datagrams, *segments) if talk[0][0] == "client"]
    drawn = [one.source_port for one in firsts if isinstance(one, Tcp | Udp)]
    answered = {ours(talk) for talk in datagrams if [port for port, _ in talk] == ["client", "dns"]}
    told = errors(run)
    quoted = [packet.payload for _, packet in told]
    about = [packet for talk in datagrams for port, packet in talk if port == "client" and is_to_web(packet)]
    same = [packet.data[14 : 14 + len(quote)] == quote for packet in about for quote in quoted]
    codes = [(one.transport.type, one.transport.code) for _, one in told if isinstance(one.transport, Icmp)]
    refused, open_ports = refusals(segments), served(segments)
    kinds = {bool(asked.flags & ACK) for asked, _ in refused}
    accepted = sum(is_accepted(talk) for talk in segments)
    pages = [open_ports.get(("web", port), set()) for port in (80, 8080)]
    return [
        (
            bool(drawn) and all(port in DYNAMIC_PORTS for port in drawn),
            f"Client's {len(drawn)} ports are dynamic ones: {', '.join(map(str, drawn))}.",
        ),
        (65535 in answered, "A query from port 65535 was answered, as one from another port."),
        (
            codes == [PORT_UNREACHABLE] and same == [True],
            "The datagram to web's closed UDP port: ICMP port unreachable, which quotes its first bytes.",
        ),
        (
            kinds == {True, False} and all(follows_the_rule(*pair) for pair in refused),
            "A closed TCP port: RST; to a SYN with seq 0, ack A+1; to an ACK with that one's ack for seq.",
        ),
        (
            set(open_ports) == {("web", 80), ("web", 8080), ("dns", 53)} and len(segments) == accepted + 1,
            "Each SYN to an open port was answered with SYN-ACK: "
            + ", ".join(f"{node} {port}" for node, port in sorted(open_ports))
            + ".",
        ),
        (
            all(pages) and pages[0] != pages[1],
            "Web's ports 80 and 8080 gave different pages: two servers, one address.",
        ),
    ]


def is_accepted(talk: Conversation) -> bool:
    """Tell whether a conversation begins with SYN and SYN-ACK."""
    flags = [one.transport.flags for _, one in talk[:2] if isinstance(one.transport, Tcp)]
    return flags == [SYN, SYN | ACK]


def ours(talk: Conversation) -> int:
    """Return the port from which a conversation of client's began."""
    transport = talk[0][1].transport
    assert isinstance(transport, Tcp | Udp)
    return transport.source_port


def is_to_web(packet: Packet) -> bool:
    """Tell whether this is a datagram to a port that is web's HTTP in TCP."""
    return isinstance(packet.transport, Udp) and packet.transport.destination_port == 80


if __name__ == "__main__":
    told, proved = judge(prove, sys.argv[1])
    print(told)
    sys.exit(not proved)
