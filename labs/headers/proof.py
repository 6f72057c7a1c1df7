"""Judge a run of lab headers by its record alone: proof.py RUN_DIRECTORY."""

import sys
from pathlib import Path

from netlab.lab.proof import judge
from netlab.lab.record import read_packets
from netlab.report.checksum import checksum
from netlab.report.dissect import TCP, UDP, dissect
from netlab.report.headers import ACK, SYN, IPv4, Packet, Tcp, Udp

ECE, CWR, AE = 0x40, 0x80, 0x100
FIELD = {UDP: 6, TCP: 16}  # where the checksum is, in bytes from the header's beginning


def read(run: Path) -> list[tuple[str, Packet]]:
    """Return the recorded packets of UDP and TCP, with the switch's port that they came in at."""
    packets = [(frame.interface, dissect(frame.data, frame.original_length)) for frame in read_packets(run)]
    return [(port, one) for port, one in packets if isinstance(one.transport, Udp | Tcp)]


def computed(packet: Packet) -> int:
    """Compute the checksum anew, from the pseudo-header and the bytes with zeros where it stands."""
    ip, transport = packet.ip, packet.transport
    assert isinstance(ip, IPv4)
    assert isinstance(transport, Udp | Tcp)
    end = ip.offset + ip.total_length
    covered = bytearray(packet.data[transport.offset : end])
    at = FIELD[ip.protocol]
    covered[at : at + 2] = bytes(2)
    addresses = packet.data[ip.offset + 12 : ip.offset + 20]
    return checksum(addresses + bytes((0, ip.protocol)) + len(covered).to_bytes(2) + covered)


def is_right(packet: Packet) -> bool:
    """Tell whether a packet's checksum is the one that is computed."""
    assert isinstance(packet.transport, Udp | Tcp)
    return packet.transport.checksum == computed(packet)


def prove(run: Path) -> list[tuple[bool, str]]:
    """Return each claim: whether it holds, and what it says."""
    packets = read(run)
    query = next((one for port, one in packets if port == "client" and isinstance(one.transport, Udp)), None)
    segments = [(port, one, one.transport) for port, one in packets if isinstance(one.transport, Tcp)]
    if query is None or [port for port, _, _ in segments[:2]] != ["client", "web"]:
        return [(False, "client sent a query by UDP, and a segment that web answered")]
    (_, syn_packet, syn), (_, answer_packet, answer) = segments[:2]
    udp, ip = query.transport, query.ip
    assert isinstance(udp, Udp)
    assert ip is not None
    after = (syn.sequence + 1) % 2**32
    options = [option.kind for option in syn.options]
    asked, told = syn.flags & (AE | CWR | ECE), answer.flags & (AE | CWR | ECE)
    return [
        (
            udp.length == 8 + len(query.payload) == ip.total_length - ip.header_length,
            f"UDP's length is 8 of header and {len(query.payload)} of data: {udp.length}; IP's is 20 more.",
        ),
        (
            udp.checksum != 0 and is_right(query),
            f"The query's checksum, computed anew: 0x{computed(query):04x}; in it: 0x{udp.checksum:04x}.",
        ),
        (
            is_right(syn_packet) and is_right(answer_packet),
            f"SYN's: 0x{computed(syn_packet):04x}, in it 0x{syn.checksum:04x}; "
            f"SYN-ACK's: 0x{computed(answer_packet):04x}, in it 0x{answer.checksum:04x}.",
        ),
        (
            options == [2, 4, 8, 1, 3] and syn.header_length == 40,
            f"SYN has the options {options}, in 20 bytes: its data offset is {syn.header_length // 4} words.",
        ),
        (
            (answer.source_port, answer.destination_port) == (syn.destination_port, syn.source_port)
            and (answer.flags & (SYN | ACK), answer.acknowledgment) == (SYN | ACK, after),
            "SYN-ACK swaps the ports; its acknowledgment is A+1.",
        ),
        (
            (asked, told) == (CWR | ECE, ECE),
            "SYN has CWR and ECE, SYN-ACK has ECE alone: both speak ECN.",
        ),
    ]


if __name__ == "__main__":
    told, proved = judge(prove, sys.argv[1])
    print(told)
    sys.exit(not proved)
