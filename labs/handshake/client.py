"""Lab handshake: a whole TCP connection made by hand: open it, ask for a page, take every segment, close.

Usage: client.py [PATH] [--isn NUMBER] [--expect-rst]; the last is for lab rst: our own kernel interferes.
"""

import argparse
import itertools
import random
import sys
import time
from collections.abc import Callable

from page import is_whole, judge  # beside this file, as is stream
from scapy.all import *
from stream import SPACE, Stream

MSS = 1460  # an Ethernet frame's 1500 bytes, less 20 for the IP header and 20 for the TCP header
WINDOW = 8 * MSS  # less than the 10 segments that a server may begin with (RFC 6928): this is what limits it
WAIT = 2.0  # seconds for any answer


class Connection:
    """Our end: a socket of Scapy's, open from before the first segment to the end, and the next numbers."""

    def __init__(self, server: str, isn: int | None, *, expect_rst: bool) -> None:
        self.ip, self.port = IP(dst=server), random.randint(49152, 65535)
        # netlab seeds `random` before a script runs; run elsewhere, this draws other numbers each time.
        self.isn = random.randrange(SPACE) if isn is None else isn
        self.seq, self.ack = self.isn, 0
        self.socket, self.sent, self.received = conf.L3socket(iface=self.ip.route()[0]), 0, 0
        # A second one, which hears what leaves as well: this is how we see what our own kernel sends.
        self.listener = conf.L2listen(iface=self.socket.iface) if expect_rst else None

    def send(self, flags: str, data: bytes = b"") -> None:
        """Send a segment; SYN, FIN and each byte of data use up one sequence number."""
        header = TCP(sport=self.port, dport=80, seq=self.seq, ack=self.ack, flags=flags, window=WINDOW)
        header.options = [("MSS", MSS)] if "S" in flags else []
        self.socket.send(self.ip / header / data)
        self.seq = (self.seq + len(data) + ("S" in flags) + ("F" in flags)) % SPACE
        self.sent += 1

    def receive(self) -> tuple[TCP, bytes]:
        """Wait for the server's next segment of this connection, and return it with its data."""
        ends = (self.ip.dst, self.port)
        packet = wait_for("segment from the server", self.socket, lambda ip: (ip.src, ip[TCP].dport) == ends)
        self.received += 1
        if packet[TCP].flags.R:
            expected = self.listener is not None and self.received > 1
            explain_rst(packet, to_syn=self.received == 1, expected=expected)
            sys.exit(0 if expected else 1)
        return packet[TCP], packet[Raw].load if Raw in packet else b""

    def take(self, stream: Stream) -> TCP:
        """Receive a segment; acknowledge all that is there by now, unless it was a mere ACK itself."""
        tcp, data = self.receive()
        if data or tcp.flags.F:
            stream.add(tcp.seq, data, fin=bool(tcp.flags.F))
        if data or tcp.flags.F or tcp.flags.S:  # SYN-ACK once more: our ACK of it was lost
            self.ack = stream.due
            self.send("A")
        return tcp

    def rst_of_our_own(self) -> IP:
        """Wait for the RST with which our own kernel answers the server."""
        ours = self.ip.src
        return wait_for("RST of our own", self.listener, lambda ip: ip.src == ours and ip[TCP].flags.R)


def wait_for(what: str, sock: SuperSocket, wanted: Callable[[IP], bool]) -> IP:
    """Return the next TCP packet that is wanted; ends the script if there is none for WAIT seconds."""
    deadline = time.monotonic() + WAIT
    while sock.select([sock], max(0, deadline - time.monotonic())):
        packet = sock.recv()  # None for a packet that this socket itself has sent
        if packet and TCP in packet and wanted(packet[IP]):
            return packet[IP]
    sys.exit(f"No {what} within {WAIT:g} s. The last lines of trace.txt show how far the two have come.")


def explain_rst(packet: IP, *, to_syn: bool, expected: bool) -> None:
    """Say who sent an RST, and what it means."""
    print(f"\n   RST from {packet.src}, the server: “what you just sent belongs to no connection of mine.”")
    if to_syn:
        print("   That was our SYN: nothing listens at that port.")
    elif expected:
        print("   Our own kernel reset it: knowing no connection of ours, it answered the SYN-ACK with RST.")
    else:
        print("   It was reset meanwhile. By our own kernel? That knows no connection of ours, and answers")
        print("   the SYN-ACK with RST, unless a firewall rule holds that back: see lab rst.")


def check_syn_ack(tcp: TCP, due: int) -> None:
    """End the script, with the reason, unless the segment is the SYN-ACK that answers our SYN."""
    if tcp.flags == "SA" and tcp.ack == due:
        return
    tcp.show()
    if not tcp.flags.S:
        print("An ACK without SYN: the server still holds an older connection of these two ports, left open")
        print("by a script perhaps, and tells how far that one is (a challenge ACK: RFC 5961, section 4).")
        sys.exit("No answer to our SYN. Start a fresh lab, or one with another seed.")
    sys.exit(f"No answer to our SYN: it needs SYN and ACK, and ack = A+1 = {due}.")


def shake_hands(connection: Connection) -> Stream:
    """Open the connection in three segments (RFC 9293, section 3.5)."""
    print(f"2. SYN: from port {connection.port} to 80; we count our bytes from A = {connection.seq}.")
    connection.send("S")
    tcp, _ = connection.receive()
    check_syn_ack(tcp, connection.seq)
    rst = connection.rst_of_our_own() if connection.listener else None
    stream = Stream((tcp.seq + 1) % SPACE)
    connection.ack = stream.due
    # Answer first, print afterwards: a server that waits a second for its ACK sends again, and a terminal
    # may be slow. So nothing is printed, here and below, while the server waits for us.
    connection.send("A")
    print(f"3. SYN-ACK: the server counts from B = {tcp.seq}, and has heard A: ack = A+1. It came as\n")
    tcp.show()
    if rst:
        print(f"   Our node had answered that already, but not by this script: {rst.summary()}")
    print(f"4. ACK: seq = A+1 = {connection.seq}, ack = B+1 = {connection.ack}.")
    return stream


def fetch(connection: Connection, stream: Stream, path: str) -> None:
    """Send the request, then acknowledge segment by segment until the response is whole."""
    request = f"GET {path} HTTP/1.1\r\nHost: www.lab.test\r\nConnection: keep-alive\r\n\r\n"
    print(f"5. GET {path}: {len(request)} bytes, the first of them number {connection.seq}.")
    print("   PSH asks to hand them to the server's program at once.")
    print(f"6. The response, an ACK for each segment; our window lets {WINDOW} bytes be under way, no more:")
    connection.send("PA", request.encode())
    lengths = [0]
    while not (stream.finished or is_whole(stream.data)):
        connection.take(stream)
        if lengths[-1] < len(stream.data):
            lengths.append(len(stream.data))
    for had, have in itertools.pairwise(lengths[:4]):
        print(f"   bytes {had} to {have - 1}; we acknowledge B+{have + 1}")
    if lengths[4:]:
        print(f"   … up to byte {lengths[-1] - 1}.")


def close(connection: Connection, stream: Stream) -> None:
    """Close from our side, in four segments: FIN, ACK, FIN, ACK (RFC 9293, section 3.6)."""
    print("7. FIN,ACK: we have nothing more to send.")
    connection.send("FA")
    while connection.take(stream).ack != connection.seq:
        pass
    while not stream.finished:
        connection.take(stream)
    print("   ACK: the server has heard that.")
    print("   FIN,ACK: nor has the server. Our ACK of that is the last segment.")


def main() -> int:
    """Do it all; return the exit status."""
    parser = argparse.ArgumentParser(description="A TCP connection made by hand.")
    parser.add_argument("path", nargs="?", default="/", help="which page (default: /)")
    parser.add_argument("--isn", type=int, help="our first sequence number, rather than a random one")
    parser.add_argument(
        "--expect-rst", action="store_true", help="succeed if our own kernel resets the connection"
    )
    arguments = parser.parse_args()
    connection = Connection("web", arguments.isn, expect_rst=arguments.expect_rst)
    print(f"1. The name: web is {connection.ip.dst}, says /etc/hosts; lab dns asks the name server instead.")
    stream = shake_hands(connection)
    if arguments.expect_rst:
        connection.take(stream)
        sys.exit("The server sent no RST: what our node sent did not end the connection.")
    fetch(connection, stream, arguments.path)
    close(connection, stream)
    same = judge(stream.data)
    print(f"   {connection.sent} segments sent, {connection.received} received, {len(stream.data)} bytes.")
    past = ", past 2³² and on from 0" if connection.seq < connection.isn else ""
    print(f"   Our numbers went from A = {connection.isn} to {connection.seq}, that of our last ACK{past}.")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
