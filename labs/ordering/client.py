"""Lab ordering: fetch a page over a bad cable, and put it together: every byte intact, in its place, once.

Usage: client.py. What the cable does, and to which segments, stands in ordering.yaml.
"""

import hashlib
import random
import struct
import sys
import time

from scapy.all import *

MSS = 1460
WINDOW = 8 * MSS  # so many bytes the server may have under way
RTO = 1.0  # seconds until we send again what nobody has acknowledged (RFC 6298, section 2.1)
WAIT = 10.0  # seconds for any segment
SPACE = 2**32


def is_intact(packet: IP) -> bool:
    """Add up pseudo-header, header and data in words of 16 bits: all ones, if no bit has changed."""
    segment = bytes(packet[TCP])
    ends = inet_aton(packet.src) + inet_aton(packet.dst)  # so that it has reached whom it is for
    data = ends + struct.pack("!HH", packet.proto, len(segment)) + segment + bytes(len(segment) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:  # what is carried out of the 16 bits comes in again at their lower end
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


class Connection:
    """Our end. `page` is all that has come before the first gap, `early` what lies beyond, by its place."""

    def __init__(self, server: str) -> None:
        # netlab seeds `random` before a script runs; run elsewhere, this draws other numbers each time.
        self.ip, self.port = IP(dst=server), random.randint(49152, 65535)
        self.seq, self.first = random.randrange(SPACE), 0
        self.page, self.early, self.end = b"", {}, None
        self.socket = conf.L3socket(iface=self.ip.route()[0])
        self.story: list[str] = []  # told in the end: a server does not wait for a slow terminal

    @property
    def finished(self) -> bool:
        """Whether the server's FIN has come, and every byte before it."""
        return self.end == len(self.page)

    def send(self, flags: str, data: bytes = b"") -> None:
        """Send a segment; its `ack` is the number of what is missing next, whatever has come from beyond."""
        ack = (self.first + len(self.page) + self.finished) % SPACE
        header = TCP(sport=self.port, dport=80, seq=self.seq, ack=ack, flags=flags, window=WINDOW)
        header.options = [("MSS", MSS)] if "S" in flags else []
        self.socket.send(self.ip / header / data)
        self.seq = (self.seq + len(data) + ("S" in flags) + ("F" in flags)) % SPACE

    def receive(self, seconds: float = WAIT) -> IP | None:
        """Return the server's next segment of this connection; None where none comes for so long."""
        began = time.monotonic()
        while self.socket.select([self.socket], max(0, began + seconds - time.monotonic())):
            packet = self.socket.recv()  # None for a packet that this socket itself has sent
            if packet and TCP in packet and (packet[IP].src, packet[TCP].dport) == (self.ip.dst, self.port):
                if packet[TCP].flags.R:
                    sys.exit("The server resets the connection. Has our own kernel done that? See lab rst.")
                if (silence := time.monotonic() - began) > RTO / 2:
                    self.story.append(f"{silence:.1f} s of silence")
                return packet[IP]
        return None

    def insist(self, flags: str, data: bytes = b"") -> IP:
        """Be a sender: send again what nobody acknowledges, after waits that double; return what does."""
        seq, rto = self.seq, RTO
        while rto < WAIT:
            self.seq = seq
            self.send(flags, data)
            while packet := self.receive(rto):
                if is_intact(packet) and packet[TCP].ack == self.seq:
                    return packet
            self.story.append(f"{rto:.1f} s without an ACK of our {data[:3].decode() or flags}: sent again")
            rto *= 2
        sys.exit("The server acknowledges nothing. trace.txt shows how far the two have come.")

    def take(self, packet: IP) -> None:
        """Be a receiver: put a segment's data where it belongs, and say what is missing now."""
        tcp, data = packet[TCP], bytes(packet[TCP].payload)
        start, due = (tcp.seq - self.first) % SPACE, len(self.page)
        what = f"bytes {start} to {start + len(data) - 1}"
        if not is_intact(packet):
            # We do not answer: whatever it says may be wrong, be it whose it is or what it acknowledges.
            self.story.append(f"{what}, damaged: {data[:20]!r}… Dropped, without a word.")
            return
        if not data and not tcp.flags.F:
            return
        if start < due or start in self.early:
            self.story.append(f"{what}, which we have: dropped. We say once more: {due} is next.")
        elif start > due:
            self.story.append(f"{what}, too early: kept. We say once more: {due} is next.")
        if start >= due:
            self.early[start] = data
        while len(self.page) in self.early:
            self.page += self.early.pop(len(self.page))
        if start == due and len(self.page) > start + len(data):
            self.story.append(f"{what}: the gap is closed. Now {len(self.page)} is next.")
        if tcp.flags.F:
            self.end = start + len(data)
        if not self.finished:
            self.send("A")


connection = Connection("web")
syn_ack = connection.insist("S")
connection.first = (syn_ack[TCP].seq + 1) % SPACE
connection.send("A")
packet = connection.insist("PA", b"GET / HTTP/1.0\r\nHost: www.lab.test\r\n\r\n")
while packet:
    connection.take(packet)
    packet = None if connection.finished else connection.receive()
if not connection.finished:
    sys.exit(f"No segment from the server within {WAIT:g} s. trace.txt shows how far the two have come.")
connection.insist("FA")

print("1. SYN, SYN-ACK, ACK: the connection is open. We have asked for the page, and TCP had to make good:\n")
print(*(f"   {line}" for line in connection.story), sep="\n")
head, _, body = connection.page.partition(b"\r\n\r\n")
print(f"\n2. {head.splitlines()[0].decode()}, {len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()}.")
print("   The page's last lines:\n")
print(*body.decode().splitlines()[-4:], sep="\n")
