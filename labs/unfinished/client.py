"""Lab unfinished: a script that stops when it has sent its GET, and what it takes to finish it.

Usage: client.py [--leave], which ends where the script of 2012 did: nothing is acknowledged, nothing closed.
"""

import hashlib
import random
import sys
import time

from scapy.all import *

MSS = 1460
WINDOW = 4 * MSS  # so many bytes the server sends without hearing from us
REPEATS = 2  # so often we let it send again what we do not acknowledge: a second, and two, go by
WAIT = 10.0  # seconds for any segment
SPACE = 2**32


class Connection:
    """Our end of a connection: the next numbers, and `page`, all bytes that have come in their order."""

    def __init__(self, server: str) -> None:
        # netlab seeds `random` before a script runs; run elsewhere, this draws other numbers each time.
        self.ip, self.port = IP(dst=server), random.randint(49152, 65535)
        self.seq, self.ack, self.page, self.finished = random.randrange(SPACE), 0, b"", False
        self.socket = conf.L3socket(iface=self.ip.route()[0])

    def send(self, flags: str, data: bytes = b"") -> None:
        """Send a segment; it acknowledges all that is in `page`, if A is among its flags."""
        header = TCP(sport=self.port, dport=80, seq=self.seq, ack=self.ack, flags=flags, window=WINDOW)
        header.options = [("MSS", MSS)] if "S" in flags else []
        self.socket.send(self.ip / header / data)
        self.seq = (self.seq + len(data) + ("S" in flags) + ("F" in flags)) % SPACE

    def receive(self) -> tuple[TCP, bytes]:
        """Wait for the server's next segment of this connection, and return it with its data."""
        deadline = time.monotonic() + WAIT
        while self.socket.select([self.socket], max(0, deadline - time.monotonic())):
            packet = self.socket.recv()  # None for a packet that this socket itself has sent
            if packet and TCP in packet and (packet[IP].src, packet[TCP].dport) == (self.ip.dst, self.port):
                if packet[TCP].flags.R:
                    sys.exit("The server resets the connection. Has our own kernel done that? See lab rst.")
                return packet[TCP], packet[Raw].load if Raw in packet else b""
        sys.exit(f"No segment from the server within {WAIT:g} s. trace.txt shows how far the two have come.")

    def take(self, tcp: TCP, data: bytes) -> None:
        """Put a segment's data where it belongs; what comes too early is dropped, and will come again."""
        had = (self.ack - tcp.seq) % SPACE  # so many bytes of it are in `page` already
        if had <= len(data) and not self.finished:
            self.page += data[had:]
            self.finished = bool(tcp.flags.F)
            self.ack = (tcp.seq + len(data) + self.finished) % SPACE


def shake_hands(connection: Connection) -> None:
    """Open the connection: SYN, SYN-ACK, ACK."""
    connection.send("S")
    tcp, _ = connection.receive()
    if tcp.flags != "SA":
        sys.exit(f"No SYN-ACK, but {tcp.summary()}")
    connection.ack = (tcp.seq + 1) % SPACE
    connection.send("A")


def look_on(connection: Connection) -> None:
    """Hear the response, and acknowledge none of it: the server cannot know that it has arrived."""
    first, last, repeats = connection.ack, time.monotonic(), 0
    while repeats < REPEATS:
        tcp, data = connection.receive()
        known, start, silence = len(connection.page), (tcp.seq - first) % SPACE, time.monotonic() - last
        connection.take(tcp, data)
        if data and start < known:
            repeats += 1
            print(f"   {silence:.1f} s of silence, then bytes {start} to {start + len(data) - 1} again")
        elif data:
            print(f"   bytes {start} to {start + len(data) - 1}")
        last += silence


def finish(connection: Connection) -> None:
    """Acknowledge all that is there, then each segment that comes, until FIN; and close, too."""
    connection.send("A")
    while not connection.finished:
        tcp, data = connection.receive()
        connection.take(tcp, data)
        if data or tcp.flags.F:
            connection.send("FA" if connection.finished else "A")
    tcp, _ = connection.receive()
    if tcp.ack != connection.seq:
        sys.exit("Our FIN was not acknowledged.")


connection = Connection("web")
shake_hands(connection)
print("1. SYN, SYN-ACK, ACK: the connection is open. We ask for the page:\n")
connection.send("PA", b"GET / HTTP/1.0\r\nHost: www.lab.test\r\n\r\n")
look_on(connection)
print("\n2. That is where the script of 2012 ends. The server will try again, after ever longer waits.")
if "--leave" in sys.argv:
    sys.exit()
finish(connection)
head, _, body = connection.page.partition(b"\r\n\r\n")
print("3. We acknowledge what is here: now the server sends on. Each segment is acknowledged, FIN too;")
print("   our own FIN goes with that ACK, and the server acknowledges it: both sides are closed.")
print(f"4. {head.splitlines()[0].decode()}, {len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()}.")
print("   The page's last lines:\n")
print(*body.decode().splitlines()[-4:], sep="\n")
