"""Lab close: a connection of netlab's endpoint that notes each segment, and what both ends make of it."""

import random
import socket
import sys
import time
from collections.abc import Callable
from http.client import HTTPResponse

from scapy.all import *

from netlab.tcp.driver import Connection
from netlab.tcp.settings import Settings

AT_ONCE = Settings(delayed_ack=0)  # acknowledge each segment by itself, so that every run is the same
FLAGS = {"F": "FIN", "S": "SYN", "R": "RST", "P": "PSH", "A": "ACK"}
SHOWN = 5  # segments at either end of a long exchange
WAIT = 2.0  # seconds


class Watched(Connection):
    """A connection to web's port 80; `tell` prints what was noted since it was called last.

    Nothing is printed in between: a server does not wait for a slow terminal.
    """

    def __init__(self) -> None:
        super().__init__("web", 80, settings=AT_ONCE)
        self.rows: list[list[str]] = []
        self.begins: dict[str, int] = {}  # address → the sequence number of its SYN
        self.on_send, self.on_receive = self.sent, self.received
        self.last_sent: IP | None = None

    def sent(self, packet: IP) -> IP:
        """Note a segment that leaves, with the state that we are in now."""
        self.last_sent = packet
        self.note("───>", packet)
        self.rows[-1][2] = self.state.value
        return packet

    def received(self, packet: IP) -> IP:
        """Note a segment that comes; the state that it leads to is known at the next one."""
        self.note("<───", packet)
        return packet

    def note(self, arrow: str, packet: IP) -> None:
        """Note a segment, with numbers that count from the SYNs."""
        if self.rows and not self.rows[-1][2]:
            self.rows[-1][2] = self.state.value
        tcp = packet[TCP]
        begin = self.begins.setdefault(packet.src, tcp.seq)
        flags = ",".join(name for bit, name in FLAGS.items() if bit in str(tcp.flags))
        words = [f"{flags:<11}", f"seq={(tcp.seq - begin) % 2**32}"]
        if tcp.flags.A:
            words.append(f"ack={(tcp.ack - self.begins.get(packet.dst, 0)) % 2**32}")
        if length := len(tcp.payload):
            words.append(f"with {length} bytes")
        self.rows.append([arrow, " ".join(words), ""])

    def tell(self) -> None:
        """Print what was noted: direction, segment, and our state after it."""
        if self.rows and not self.rows[-1][2]:
            self.rows[-1][2] = self.state.value
        rows = self.rows
        if len(rows) > 2 * SHOWN:
            rows = [*rows[:SHOWN], ["…", f"{len(rows) - 2 * SHOWN} more", ""], *rows[-SHOWN:]]
        for arrow, words, state in rows:
            print(f"   {arrow:4} {words:<44} {state}".rstrip())
        self.rows = []

    def ask_for(self, path: str, *, then: str, more: str = "") -> None:
        """Send a request: what the server is to do with the connection `then`, and `more`, another field."""
        fields = ["Host: www.lab.test", f"Connection: {then}", *([more] if more else [])]
        self.sendall("\r\n".join([f"GET {path} HTTP/1.1", *fields, "", ""]).encode())

    def read_page(self) -> bytes:
        """Return the body of the response; raises if it does not come whole."""
        response = HTTPResponse(self)
        response.begin()
        return response.read()

    def comes(self, condition: Callable[[], object]) -> bool:
        """Take segments until the condition holds; return whether it did in time."""
        deadline = time.monotonic() + WAIT
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.wait(0.005)
        return True

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Take segments until the condition holds; ends the script if it never does."""
        if not self.comes(condition):
            self.tell()
            sys.exit(f"Nothing came for {WAIT:g} s. The last lines of trace.txt show how far it has come.")

    def make(self, flags: str, *, ahead: int = 0) -> IP:
        """Make a segment by hand, with the number after what was sent last, or so far ahead of it."""
        last = self.last_sent[TCP]
        seq = (last.seq + len(last.payload) + ahead) % 2**32
        return IP(dst=self.address) / TCP(sport=last.sport, dport=80, seq=seq, ack=last.ack, flags=flags)


class Asking:
    """Asks web by UDP in which state its kernel has a connection: see states.py."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("", random.randint(49152, 65535)))
        self.socket.connect(("web", 15))
        self.socket.settimeout(WAIT)

    def tell(self, connection: Watched, expected: str) -> None:
        """Print both ends' states; ends the script if web's is another than expected."""
        self.socket.send(f"{connection.local_port} {expected}".encode())
        state = self.socket.recv(100).decode()
        print(f"   client is in {connection.state.value}, web's kernel in {state}")
        if state != expected:
            sys.exit(f"Expected of web: {expected}")
