"""Judge a run of lab dns by its record alone: proof.py RUN_DIRECTORY."""

import sys
from pathlib import Path

from netlab.lab.proof import judge
from netlab.lab.record import read_packets
from netlab.report.checksum import ip_checksum_ok, transport_checksum_ok
from netlab.report.dissect import dissect
from netlab.report.headers import Packet, Udp

DNS_PORT = 53
DYNAMIC_PORTS = range(49152, 65536)


def messages(run: Path) -> list[tuple[str, Packet]]:
    """Return every DNS message over UDP, with the switch's port that it came in at."""
    packets = [(frame.interface, dissect(frame.data, frame.original_length)) for frame in read_packets(run)]
    return [
        (port, packet)
        for port, packet in packets
        if isinstance(packet.transport, Udp)
        and DNS_PORT in (packet.transport.source_port, packet.transport.destination_port)
    ]


def prove(run: Path) -> list[tuple[bool, str]]:
    """Return each claim: whether it holds, and what it says."""
    found = messages(run)
    queries = [packet for port, packet in found if port == "client"]
    answers = [packet for port, packet in found if port == "dns"]
    whole = len(queries) == len(answers) == 1 and len(found) == 2
    claims = [(whole, f"one query from client, one answer from dns: {len(queries)} and {len(answers)}")]
    if not whole:
        return claims
    (query,), (answer,) = queries, answers
    asked, told = query.transport, answer.transport
    assert isinstance(asked, Udp)
    assert isinstance(told, Udp)
    ids = int.from_bytes(query.payload[:2]), int.from_bytes(answer.payload[:2])
    sums = [check(packet) for packet in (query, answer) for check in (ip_checksum_ok, transport_checksum_ok)]
    source, destination = asked.source_port, asked.destination_port
    return [
        *claims,
        (source in DYNAMIC_PORTS, f"the query's source port is a dynamic one: {source}"),
        (destination == DNS_PORT, f"its destination port is DNS's: {destination}"),
        (
            (told.source_port, told.destination_port) == (destination, source),
            f"the answer swaps them: {told.source_port} to {told.destination_port}",
        ),
        (ids[0] == ids[1], f"query and answer have the same id: {ids[0]} and {ids[1]}"),
        (
            answer.payload[2] >> 7 == 1 and query.payload[2] >> 7 == 0,
            "the bit QR is 0 in the query, 1 in the answer",
        ),
        (all(sums), "every checksum, of IP and of UDP, is right"),
    ]


if __name__ == "__main__":
    told, proved = judge(prove, sys.argv[1])
    print(told)
    sys.exit(not proved)
