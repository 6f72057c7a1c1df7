"""Lab close: six connections that end in different ways, and what either end knows of them then.

Usage: client.py. The node's /etc/hosts says where web is; watched.py notes the segments, states.py is web's.
"""

import shutil
import socket
import subprocess
import sys
from http.client import HTTPResponse

from scapy.all import *
from states import state_of  # beside this file, as is watched
from watched import WAIT, Asking, Watched

PART = 10_000  # bytes: seven segments


def open_connection(*, then: str) -> Watched:
    """Open a connection and ask for a page; `then` is what the server is to do: keep-alive, or close."""
    web = Watched()
    web.connect()
    web.ask_for("/hello.txt", then=then)
    web.rows.clear()  # the opening is lab handshake's
    return web


def repeat(fin: IP) -> None:
    """Send a FIN once more, as if its ACK had been lost, and tell what answers it."""
    answer = sr1(fin, timeout=WAIT, verbose=False)
    flags = answer.sprintf("%TCP.flags%") if answer else "nothing"
    words = {"R": "RST: web knows no such connection any more", "A": "ACK: web keeps it for this very case"}
    print(f"   Our FIN once more. {words.get(flags, flags)}.")


def we_begin(asking: Asking) -> None:
    """Close from our side: FIN, ACK, FIN, ACK (RFC 9293, section 3.6, figure 12)."""
    print("1. We close first: four segments. Who has sent the first FIN ends in TIME-WAIT.")
    web = open_connection(then="keep-alive")
    web.read_page()
    web.rows.clear()
    fins: list[IP] = []
    web.on_send = lambda packet: fins.append(packet) or web.sent(packet)
    web.close()
    web.tell()
    asking.tell(web, "CLOSED")
    repeat(fins[0])


def the_server_begins(asking: Asking) -> None:
    """Let the server close, as it does when it is asked to, and in HTTP/1.0; answer it."""
    print("2. The server closes first: its FIN comes with or behind the page. Until we close, too, it waits.")
    web = open_connection(then="close")
    web.read_page()
    web.recv()  # nothing: the end of what the server sends
    web.tell()
    asking.tell(web, "FIN-WAIT-2")
    web.close()
    web.tell()
    asking.tell(web, "TIME-WAIT")
    repeat(web.last_sent)


def we_close_one_way(asking: Asking) -> None:
    """Send FIN with the request: it ends what we send, not what we get."""
    print(f"3. Half-closed: FIN goes with the request, and {PART} bytes of a page come all the same.")
    web = Watched()
    web.connect()
    web.rows.clear()
    held: list[IP] = []

    def join(packet: IP) -> IP | None:
        if not held:
            held.append(packet)  # the request waits for the FIN
            return None
        if not packet[TCP].flags.F:
            return web.sent(packet)
        held[0][TCP].flags = "FPA"
        return web.sent(held[0])

    web.on_send = join
    web.ask_for("/", then="keep-alive", more=f"Range: bytes=0-{PART - 1}")
    web.shutdown()
    page = web.read_page()
    web.close()
    web.tell()
    print(f"   {len(page)} bytes came after our FIN.")
    asking.tell(web, "CLOSED")


def we_abort(asking: Asking) -> None:
    """End it with RST: nothing is waited for, and nothing answered; but not any RST counts."""
    print("4. Aborted. A RST whose number is only near the right one is asked about, and ends nothing:")
    web = open_connection(then="keep-alive")
    web.read_page()
    web.rows.clear()
    forged = web.make("R", ahead=1000)
    web.note("───>", forged)
    send(forged, verbose=False)
    if not web.comes(lambda: web.rows[-1][0] == "<───"):
        web.tell()
        print(f"   No answer within {WAIT:g} s: it was discarded, or taken.")
        asking.tell(web, "CLOSED")
        return
    web.tell()
    asking.tell(web, "ESTABLISHED")
    print("   One with the right number is answered by nobody, and ends it:")
    late = web.make("PA") / b"Are you there?"
    web.abort()
    web.tell()
    asking.tell(web, "CLOSED")
    answer = sr1(late, timeout=WAIT, verbose=False)
    print(f"   Data after that: {answer.sprintf('%TCP.flags%') if answer else 'nothing'}, the kernel's RST.")


def both_begin(asking: Asking) -> None:
    """Let the two FINs cross: we send ours before the server's has arrived (section 3.6, figure 13)."""
    print("5. Both close at once: the server's FIN is under way (held back here) when we send ours.")
    web = open_connection(then="close")
    held: list[IP] = []

    def hold(packet: IP) -> IP | None:
        if not packet[TCP].flags.F and not held:
            return web.received(packet)
        held.append(packet)
        return None

    web.on_receive = hold
    web.wait_until(lambda: held)
    web.rows.clear()
    web.shutdown()
    web.wait_until(lambda: len(held) == 2)  # the ACK of our FIN
    asking.tell(web, "CLOSING")
    for packet in held:
        web.received(packet)
        web.arrive(packet)
    web.tell()
    asking.tell(web, "TIME-WAIT")
    web.abort()


def the_kernel_waits() -> None:
    """Do it with a socket of the kernel's, and look at what it keeps."""
    print("6. A socket of our own kernel, closed first. Its program may end; the kernel waits in its place:")
    with socket.create_connection(("web", 80), WAIT) as sock:
        port = sock.getsockname()[1]
        sock.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: www.lab.test\r\n\r\n")
        response = HTTPResponse(sock)
        response.begin()
        response.read()
        sock.shutdown(socket.SHUT_WR)
        if sock.recv(1):
            sys.exit("The server sent more after the page.")
    if shutil.which("ss"):
        table = ["ss", "--tcp", "--all", "--numeric", "--options", f"sport = :{port}"]
        shown = subprocess.run(table, capture_output=True, text=True, check=True).stdout
        print("   $", " ".join(table[:-1]), f"'{table[-1]}'")
        print("".join(f"   {line.rstrip()}\n" for line in shown.splitlines()), end="")
    state = state_of(port, local=True)
    print(f"   /proc/net/tcp has it in {state}.")
    with socket.socket() as server:
        try:
            server.bind(("", port))
        except OSError as error:
            print(f"   A server that wants this port gets: {error.strerror}")
    if state != "TIME-WAIT":
        sys.exit("Who closes first should be in TIME-WAIT.")


asking = Asking()
we_begin(asking)
the_server_begins(asking)
we_close_one_way(asking)
we_abort(asking)
both_begin(asking)
the_kernel_waits()
