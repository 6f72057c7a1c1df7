"""Lab window: a receiver that reads nothing for a while, and a server that has to wait until it does."""

import hashlib
import random
import sys
import time

from scapy.all import *

MSS = 1460
BUFFER = 4 * MSS  # bytes that we have room for
LARGE = 48 * MSS  # the room that we make later: 70080 bytes, more than a field of 16 bits can say
SCALE = 2  # so our fields count units of 2² = 4 bytes; SYN tells the server (RFC 7323, section 2)
PROBES = 2  # so many of the server's we wait for while the window is closed: a second, then two
WAIT = 10.0  # seconds for any segment
SPACE = 2**32


class Connection:
    """Our end: the next numbers, and what has come: `held` waits in the buffer, `page` has been read."""

    def __init__(self, server: str) -> None:
        # netlab seeds `random` before a script runs; run elsewhere, this draws other numbers each time.
        self.ip, self.port = IP(dst=server), random.randint(49152, 65535)
        self.seq, self.ack, self.finished = random.randrange(SPACE), 0, False
        self.room, self.held, self.page = BUFFER, b"", b""
        self.socket = conf.L3socket(iface=self.ip.route()[0])

    def send(self, flags: str, data: bytes = b"") -> None:
        """Send a segment; its window is the room that is left."""
        window, options = (self.room - len(self.held)) >> SCALE, []
        if "S" in flags:  # not scaled yet: who gets a SYN may know nothing of scales
            window, options = self.room, [("MSS", MSS), ("WScale", SCALE)]
        ports = {"sport": self.port, "dport": 80}
        header = TCP(**ports, seq=self.seq, ack=self.ack, flags=flags, window=window, options=options)
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

    def take(self) -> bool:
        """Receive a segment, and put what is due into the buffer; say whether an ACK must answer it."""
        tcp, data = self.receive()
        if tcp.seq != self.ack or len(data) > self.room - len(self.held):
            return True  # it may be a probe (RFC 9293, section 3.10.7.4, first check)
        self.held += data
        self.finished = bool(tcp.flags.F)
        self.ack = (self.ack + len(data) + self.finished) % SPACE
        return bool(data) or self.finished

    def read(self) -> None:
        """Do what a program does that reads: the buffer is empty afterwards."""
        self.page, self.held = self.page + self.held, b""


def shake_hands(connection: Connection) -> None:
    """Open the connection; both sides say by how much their windows are scaled."""
    connection.send("S")
    tcp, _ = connection.receive()
    if tcp.flags != "SA":
        sys.exit(f"No SYN-ACK, but {tcp.summary()}")
    connection.ack = (tcp.seq + 1) % SPACE
    connection.send("A")
    theirs = dict(tcp.options).get("WScale")
    print(f"1. SYN: window {BUFFER}; WScale {SCALE}: shift what our later segments say left by {SCALE} bits.")
    print(f"2. SYN-ACK: window {tcp.window}; WScale {theirs}: the same for the server's.")


def let_the_window_close(connection: Connection) -> None:
    """Acknowledge what comes, and read none of it: every ACK offers less."""
    while len(connection.held) < BUFFER:
        if connection.take():
            connection.send("A")
        if connection.finished:
            sys.exit("The page is smaller than BUFFER: our window does not close.")
    print(f"4. We have acknowledged {BUFFER} bytes and read none of them: our window is 0.")


def answer_probes(connection: Connection) -> None:
    """Answer the server, which asks from time to time: the window is still closed."""
    before = time.monotonic()
    for number in range(1, PROBES + 1):
        tcp, data = connection.receive()
        connection.send("A")
        now, below = time.monotonic(), (connection.ack - tcp.seq) % SPACE
        print(f"   {now - before:.1f} s later, probe {number}: {len(data)} bytes, seq {below} below our ack.")
        print("   What is that old must be answered; our ACK says once more that the window is 0.")
        before = now


def read_on(connection: Connection) -> None:
    """Read, tell the server, and read all that comes, until its FIN."""
    connection.read()
    connection.room = LARGE
    connection.send("A")  # the window update: the last ACK again, but for its window
    while not connection.finished:
        if connection.take():
            connection.read()
            connection.send("FA" if connection.finished else "A")
    connection.receive()
    print(f"5. We read. Window update: {LARGE >> SCALE} in the field, so {LARGE} bytes from the same ack on.")
    print(f"6. The server goes on: {len(connection.page) - BUFFER} bytes more, then FIN; and we close, too.")


connection = Connection("web")
shake_hands(connection)
connection.send("PA", b"GET / HTTP/1.0\r\nHost: www.lab.test\r\n\r\n")
print(f"3. GET /: the server may send {BUFFER} bytes, and no more until we allow it.")
let_the_window_close(connection)
answer_probes(connection)
read_on(connection)
head, _, body = connection.page.partition(b"\r\n\r\n")
print(f"7. {head.splitlines()[0].decode()}\n   {len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()}")
