"""Prove, from a record of lab rst alone, that the client's kernel sent the RST: proof.py RUN_DIRECTORY."""

import sys
from dataclasses import dataclass
from pathlib import Path

from netlab.lab.proof import judge
from netlab.lab.record import read_kernel, read_packets
from netlab.report.dissect import dissect
from netlab.report.headers import ACK, RST, SYN, IPv4, Tcp

DONT_FRAGMENT = 2


@dataclass(frozen=True)
class Segment:
    """A TCP segment: when and at which port (named for its node) it came into the switch, and its headers."""

    time_ns: int
    port: str
    mac: str
    ip: IPv4
    tcp: Tcp

    @property
    def hand(self) -> str:
        """The fields in which one sender differs from another, though both do as the RFCs say."""
        df = "DF" if self.ip.flags & DONT_FRAGMENT else "no DF"
        return f"IP id {self.ip.identification}, {df}, TTL {self.ip.ttl}, window {self.tcp.window}"


def read(run: Path) -> tuple[list[Segment], set[tuple[str, str]]]:
    """Return the TCP segments in order, and for every packet its sender's MAC with the port it came in at."""
    segments, entered = [], set()
    for frame in read_packets(run):
        packet = dissect(frame.data, frame.original_length)
        mac = packet.ethernet.source if packet.ethernet else ""
        entered.add((mac, frame.interface))
        if isinstance(packet.ip, IPv4) and isinstance(packet.transport, Tcp):
            segments.append(Segment(frame.time_ns, frame.interface, mac, packet.ip, packet.transport))
    return segments, entered


def prove(run: Path) -> list[tuple[bool, str]]:
    """Return each claim: whether it holds, and what it says."""
    (segments, entered), kernel = read(run), read_kernel(run)
    resets = [one for one in segments if one.port == "client" and one.tcp.flags & RST]
    answers = [one for one in segments if one.tcp.flags == SYN | ACK]
    if len(resets) != 1 or not answers:
        return [(False, f"a SYN-ACK and one RST from client: {len(answers)} and {len(resets)} of them")]
    (rst,), answer = resets, answers[0]
    where = {port for mac, port in entered if mac == rst.mac}
    gap = (rst.time_ns - answer.time_ns) / 1000
    # RFC 9293, section 3.10.7.1: so a TCP replies to a segment of a connection that it does not know.
    is_reply = rst.tcp.sequence == answer.tcp.acknowledgment and rst.tcp.flags == RST
    script = {one.hand for one in segments if one.port == "client" and one is not rst}
    later = [
        one for one in segments if one.port == "web" and one.tcp.flags & RST and one.time_ns > rst.time_ns
    ]
    ours, theirs = (kernel[node]["Tcp"]["OutRsts"] for node in ("client", "web"))
    held = kernel["client"].get("rules", {}).get("hold-back-rst", 0)
    return [
        (where == {"client"}, f"It came into the switch at client's port, from client's MAC, {rst.mac}."),
        (
            gap > 0 and is_reply,
            f"{gap:.0f} µs after the SYN-ACK; its seq is that one's ack, RST its only flag.",
        ),
        (rst.hand == "IP id 0, DF, TTL 64, window 0", f"A Linux kernel writes like this: {rst.hand}."),
        (rst.hand not in script, f"The script writes otherwise: {', '.join(script)}."),
        (
            ours - held == 1,
            f"RSTs that client's kernel made, as it counts: {ours}; that a rule held back: {held}.",
        ),
        (
            theirs == len(later),
            f"Web's kernel sent {theirs}, in the record too, and after this one: {len(later)}.",
        ),
    ]


if __name__ == "__main__":
    told, proved = judge(prove, sys.argv[1])
    print(told)
    if not proved:
        sys.exit("So it is not proved that the client's kernel sent the RST.")
    print("So the client's kernel sent the RST: not the script, not the server, nor anyone between.")
