"""The crafted endpoint against the kernel's TCP: over a good wire, and over one that hooks spoil."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netlab import lab, topology
from netlab.lab import Lab
from netlab.lab.catalogue import find
from netlab.plan import make_plan
from netlab.report.compare import compare, load
from tests.system.harness import requires

NETLAB = Path(sys.executable).with_name("netlab")
SCHEDULES = 500
AT_ONCE = 120

TOPOLOGY = """
name: tcp
networks: {{lan: {{subnet: 10.0.0.0/24, subnet6: "fd00::/64"}}}}
nodes:
  client:
    interfaces: {{lan: {{address: 10.0.0.10, address6: "fd00::10"}}}}
    firewall: [hold-back-rst]
  bare:                                   # a node whose kernel interferes
    interfaces: {{lan: {{address: 10.0.0.11, address6: "fd00::11"}}}}
  web:
    interfaces: {{lan: {{address: 10.0.0.80, address6: "fd00::80"}}}}
    services: {{http: {{content: www}}}}
    start:                                # its kernel repeats sooner than after a second: tests are short
      - ip route change 10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.80 rto_min 20ms
      - {{run: {python} {server}, ready: {{port: 7003}}}}
    nft: |
      table inet mine {{
        chain in {{
          type filter hook input priority 10
          tcp dport 7999 reject with icmpx port-unreachable
        }}
      }}
"""

# The kernel's TCP with users of every kind; what is told back is what came.
SERVER = """
import hashlib, socket, sys, threading, time

def read(sock):
    data = bytearray()
    while part := sock.recv(65536):
        data += part
    return bytes(data)

def tell(sock):          # 7000: reads to the end, then says what it was, and says it again
    data = read(sock)
    sock.sendall(hashlib.sha256(data).hexdigest().encode() + data)
    sock.close()

def stubborn(sock):      # 7001: never reads, never closes
    time.sleep(3600)

visitors = []

def slow(sock):          # 7002: does not read until a second one comes
    visitors.append(sock)
    if len(visitors) > 1:
        sock.close()
        tell(visitors[0])

def hasty(sock):         # 7003: speaks and closes first
    sock.sendall(bytes(range(256)) * 400)
    sock.shutdown(socket.SHUT_WR)
    read(sock)
    sock.close()

def serve(port, user):
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if user in (stubborn, slow):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server.bind(("::", port))
    server.listen(512)
    while True:
        sock, _ = server.accept()
        threading.Thread(target=run, args=(user, sock), daemon=True).start()

def run(user, sock):
    try:
        user(sock)
    except OSError:
        pass

for port, user in ((7000, tell), (7001, stubborn), (7002, slow)):
    threading.Thread(target=serve, args=(port, user), daemon=True).start()
serve(7003, hasty)
"""

pytestmark = requires("ip", "nft")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with a topology, its server, and what it serves; the lab sees it."""
    top = tmp_path_factory.mktemp("tcp")
    (top / "www").mkdir()
    (top / "www" / "index.html").write_bytes(bytes(range(256)) * 1000)
    (top / "server.py").write_text(SERVER)
    (top / "tcp.yaml").write_text(TOPOLOGY.format(python=sys.executable, server=top / "server.py"))
    return top


@pytest.fixture(scope="module")
def running(place: Path) -> Iterator[Lab]:
    """Give the lab."""
    with lab.start(make_plan(topology.load(place / "tcp.yaml")), visible=[place]) as started:
        yield started


@pytest.fixture
def run(running: Lab, place: Path) -> Run:
    """Run a script's text in a node; it must succeed, unless `fails`."""

    def run(text: str, node: str = "client", *arguments: str) -> subprocess.CompletedProcess[str]:
        script = place / "script.py"
        script.write_text("from netlab.tcp.driver import *\n" + textwrap.dedent(text))
        done = running.output(node, [str(script), *arguments])
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.mark.parametrize("host", ["web", "10.0.0.80", "fd00::80"])
def test_a_page_is_fetched(run: Run, host: str) -> None:
    """A handshake, a request, a quarter of a megabyte, and a close that the kernel begins; IPv4 and IPv6."""
    run(
        f"""
        with connect({host!r}, 80) as web:
            web.sendall(b"GET / HTTP/1.0\\r\\nHost: web\\r\\n\\r\\n")
            head, _, body = web.makefile().read().partition(b"\\r\\n\\r\\n")
        assert body == bytes(range(256)) * 1000, len(body)
        names = [state.value for state in web.endpoint.block.history]
        assert names == ["SYN-SENT", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED"], names
        """
    )


def test_http_client_takes_it_for_a_socket(run: Run) -> None:
    """Python's own HTTP client speaks over it: several requests over one connection, a 404 among them."""
    run(
        """
        from http.client import HTTPConnection
        web = HTTPConnection("web")
        web.sock = connect("web", 80)
        for path, status in (("/", 200), ("/nothing", 404), ("/", 200)):
            web.request("GET", path)
            answer = web.getresponse()
            assert (answer.status, len(answer.read()) > 0) == (status, True)
        web.request("GET", "/", headers={"Connection": "close"})
        answer = web.getresponse()          # the client closes its socket now, and reads on
        assert len(answer.read()) == 256000
        """
    )


@pytest.mark.parametrize("host", ["10.0.0.80", "fd00::80"])
def test_both_ways_and_half_closed(run: Run, host: str) -> None:
    """300,000 bytes go up; after our FIN the kernel tells their digest, and sends them all back."""
    run(
        f"""
        import hashlib, random
        data = random.randbytes(300_000)
        with connect({host!r}, 7000) as web:
            web.sendall(data)
            web.shutdown()
            answer = web.makefile().read()
        assert answer[:64].decode() == hashlib.sha256(data).hexdigest()
        assert answer[64:] == data
        """
    )


def test_a_closed_window_is_waited_out(run: Run) -> None:
    """A kernel whose user does not read for a while closes its window; later it opens, and all arrives."""
    run(
        """
        import hashlib
        import socket
        data = bytes(200_000)
        windows = []
        def note(packet):
            windows.append(packet["TCP"].window)
            if windows[-1] == 0 and windows.count(0) == 3:       # probes were answered: it is time to read
                socket.create_connection(("web", 7002)).close()
            return packet
        with connect("web", 7002) as web:
            web.on_receive = note
            web.sendall(data)
            web.shutdown()
            answer = web.makefile().read()
        assert answer[:64].decode() == hashlib.sha256(data).hexdigest()
        assert windows.count(0) >= 3
        """
    )


def test_a_peer_that_speaks_and_closes_first(run: Run) -> None:
    """What came before its FIN can be read at leisure, and closing then takes us by CLOSE-WAIT to CLOSED."""
    run(
        """
        web = connect("web", 7003)
        web.wait(0.2)
        assert web.makefile().read() == bytes(range(256)) * 400
        assert web.state.value == "CLOSE-WAIT"
        web.linger()
        assert web.state.value == "CLOSED" and web.endpoint.failure is None
        """
    )


def test_peers_that_do_not_play_along(run: Run) -> None:
    """Nothing listens, nobody reads, closes, or is there: each ends in time, with the fitting error."""
    run(
        """
        stuck = "web port 7001 {} for 1 s; we are in {}"
        def error_of(call, *arguments, **how):
            try:
                call(*arguments, **how)
            except OSError as error:
                return type(error).__name__, error.strerror
        kind, words = error_of(connect, "web", 81)
        assert (kind, words[:11]) == ("ConnectionRefusedError", "web port 81"), words
        assert "answered the SYN with RST" in words, words
        web = connect("web", 7001)
        web.settimeout(1)
        kind, words = error_of(web.sendall, bytes(1 << 20))
        assert (kind, words) == ("TimeoutError", stuck.format("took no more", "ESTABLISHED")), words
        assert error_of(web.recv)[0] == "TimeoutError"
        web.abort()
        web = connect("web", 7001)
        web.settimeout(1)
        kind, words = error_of(web.close)
        assert (kind, words) == ("TimeoutError", stuck.format("did not close its side", "FIN-WAIT-2")), words
        assert web.endpoint.failure.value == "connection aborted"
        kind, words = error_of(connect, "10.0.0.99", 80)
        assert words.startswith("10.0.0.99 does not answer ARP"), words
        kind, words = error_of(connect, "10.9.9.9", 80)
        assert words.startswith("10.9.9.9 has no route from here"), words
        kind, words = error_of(connect, "10.0.0.10", 80)
        assert words.startswith("10.0.0.10 is this node itself"), words
        assert "nobody.lab is no name or address" in error_of(connect, "nobody.lab", 80)[1]
        """
    )


@pytest.mark.parametrize(("host", "told"), [("10.0.0.80", "ICMP type 3"), ("fd00::80", "ICMPv6 type 1")])
def test_an_icmp_error_ends_an_open(run: Run, host: str, told: str) -> None:
    """Who answers the SYN with "port unreachable" is believed at once, and quoted."""
    run(
        f"""
        try:
            connect({host!r}, 7999)
        except OSError as error:
            assert "cannot be reached ({told}" in str(error), error
        else:
            raise SystemExit("no error")
        """
    )


def test_a_peer_that_vanishes(run: Run) -> None:
    """From some moment on nothing comes: the call's own limit ends the waiting, or TCP's the connection."""
    run(
        """
        from netlab.tcp.settings import Settings
        web = connect("web", 80, timeout=5, settings=Settings(user_timeout=0.5, minimum_rto=0.1))
        web.on_receive = lambda packet: None
        web.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        try:
            web.recv()
        except TimeoutError as error:
            assert "given up" in str(error), error
        else:
            raise SystemExit("no error")
        """
    )


def test_without_the_rule_the_kernel_resets_it(run: Run) -> None:
    """In a node without hold-back-rst the kernel's RST ends the connection, and the error names the cure."""
    run(
        """
        try:
            with connect("web", 80) as web:
                web.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                web.recv()
        except ConnectionError as error:
            assert "hold-back-rst" in str(error), error
        else:
            raise SystemExit("no error")
        """,
        "bare",
    )


def test_bad_input_does_no_harm(run: Run) -> None:
    """Among a page's segments come others, nearly right; all of it arrives, as it is, within ten seconds.

    Garbage, a SYN, RSTs, text that overlaps or lies outside the window, options cut short, ICMP errors.
    """
    run(
        """
        import random, time
        from scapy.all import IP, ICMP, TCP, Raw
        from netlab.tcp.settings import Settings

        sent = []
        def note(packet):
            sent.append(packet)
            return packet

        def changed(packet, flags="A", seq=0, text=b"", **how):
            tcp = packet[TCP]
            header = TCP(sport=tcp.sport, dport=tcp.dport, seq=tcp.seq + seq, ack=tcp.ack, flags=flags, **how)
            return IP(src=packet.src, dst=packet.dst) / header / text

        def attack(packet):
            if packet[TCP].flags.S:
                return packet
            garbage = IP(src=packet.src, dst=packet.dst, proto=6) / random.randbytes(random.randrange(60))
            text = packet[Raw].load if Raw in packet else b""
            return [
                garbage,
                IP(bytes(packet)[:30]),
                changed(packet, "S", seq=random.randrange(1 << 20)),
                changed(packet, "R", seq=1000),
                changed(packet, "R", seq=-1000),
                changed(packet, seq=1 << 24, text=b"far beyond the window"),
                changed(packet, seq=-20, text=b"?" * 20 + text),
                changed(packet, dataofs=15),
                changed(packet, dataofs=6, text=bytes([2, 9, 5, 180])),   # an option of 9 bytes
                IP(src=packet.src, dst=packet.dst) / ICMP(type=3, code=3) / bytes(sent[-1])[:28],
                packet,
            ]

        began = time.monotonic()
        # With timestamps, which these lack, hardly one of them would be looked at.
        with connect("10.0.0.80", 80, settings=Settings(timestamps=False)) as web:
            web.on_send, web.on_receive = note, attack
            web.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            page = web.makefile().read().partition(b"\\r\\n\\r\\n")[2]
        assert page == bytes(range(256)) * 1000, len(page)
        assert web.state.value == "CLOSED" and web.endpoint.failure is None
        assert time.monotonic() - began < 10
        """
    )


SERVE = """
flags, states = [], []
def refused(call):
    try:
        call()
    except TimeoutError as error:
        return error.strerror
def note(packet):
    flags.append(str(packet["TCP"].flags))
    return packet
with listen(8000, timeout=30) as server:
    server.on_send = note
    print("ready", flush=True)
    for number in range(3):
        with server.accept() as client:
            client.sendall(client.recv() * 1000)
            client.shutdown()
            assert client.recv() == b""
        states.append([state.value for state in client.endpoint.block.history])
    server.timeout = 0.5
    server.on_send = lambda packet: None       # nobody gets an answer any more
    error = refused(server.accept)
    nobody = "nobody has opened a connection to port 8000 for 0.5 s"
    assert error == nobody + " (every segment was held back by on_send: does it return them?)", error
    assert refused(server.accept) == nobody
course = ["LISTEN", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"]
assert states == [course] * 3, states
assert flags.count("SA") == 4, flags        # one of them for a call that was taken back
"""

CALL = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
from scapy.all import *
def syn(**how):
    return TCP(dport=8000, seq=7, flags="S", **how)
send(IP(dst="10.0.0.10") / syn(chksum=1), verbose=False)
send(IP(dst="10.0.0.10", src="10.9.9.9") / syn(), verbose=False)          # from nowhere
send(IP(dst="10.0.0.10") / syn(options=[("MSS", b"")]), verbose=False)    # our kernel takes it back, with RST

def call(host):
    word = f"I call {host}".encode()
    with socket.create_connection((host, 8000), 30) as caller:
        caller.sendall(word)
        answer = caller.makefile("rb").read()
    assert answer == word * 1000, (host, len(answer))

with ThreadPoolExecutor(8) as pool:
    list(pool.map(call, sys.argv[1:]))
send(IP(dst="10.0.0.10") / syn(sport=50000), verbose=False)               # this one gets no answer
"""


def test_a_kernel_calls_a_crafted_server(running: Lab, place: Path) -> None:
    """Three connections over IPv4 and IPv6, made at once, wait for one another; each is served and closed.

    Calls that are damaged, come from nowhere, are taken back, or not gone on with, end nothing.
    """
    (place / "serve.py").write_text("from netlab.tcp.listener import *\n" + SERVE)
    (place / "call.py").write_text(CALL)
    heard, told = os.pipe()
    with os.fdopen(heard) as output:
        server = running.launch("client", [str(place / "serve.py")], stdio=(0, told, 2))
        os.close(told)
        try:
            assert output.readline() == "ready\n"
            hosts = ("10.0.0.10", "fd00::10", "10.0.0.10")
            called = running.output("bare", [str(place / "call.py"), *hosts])
            assert called.returncode == 0, called.stderr
            assert server.wait(30) == 0
        finally:
            server.close()


CALLED = """
from netlab.tcp.listener import listen
import sys
with listen(80, timeout=0.3) as server:
    print("ready", flush=True)
    sys.stdin.readline()                       # until somebody has called
    try:
        server.accept()
    except TimeoutError as error:
        print(error.strerror)
"""


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (
            "bare",
            ": who called took it back, or did this node's kernel, which lacks `firewall: [hold-back-rst]`?",
        ),
        (
            "web",
            ", for this node's kernel has a server there, which answers, too: stop it, or take another port",
        ),
    ],
)
def test_a_kernel_answers_in_a_crafted_servers_place(running: Lab, place: Path, node: str, why: str) -> None:
    """The time-out says who may have, where somebody has called."""
    (place / "called.py").write_text(CALLED)
    (place / "once.py").write_text("import socket, sys\nsocket.socket().connect_ex((sys.argv[1], 80))\n")
    heard, told = os.pipe()
    asked, asks = os.pipe()
    with os.fdopen(heard) as output:
        server = running.launch(node, [str(place / "called.py")], stdio=(asked, told, 2))
        os.close(told)
        os.close(asked)
        try:
            assert output.readline() == "ready\n"
            assert running.output("client", [str(place / "once.py"), node]).returncode == 0
            os.close(asks)
            assert output.readline() == f"nobody has opened a connection to port 80 for 0.3 s{why}\n"
            assert server.wait(30) == 0
        finally:
            server.close()


def test_a_hook_that_does_not_return_packets(run: Run) -> None:
    """One that returns something else is told so, once; one that forgets to return, when the time is over."""
    run(
        """
        def fails(call, **hooks):
            try:
                with connect("web", 80, timeout=0.5) as web:
                    vars(web).update(hooks)
                    call(web)
            except (TypeError, TimeoutError) as error:
                assert error.__context__ is None or error.__suppress_context__, repr(error.__context__)
                return str(error)
        ask = lambda web: (web.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"), web.recv())
        told = fails(ask, on_send=lambda packet: packet.summary())
        assert told.startswith("on_send returned 'IP") and "is to return the packet" in told, told
        told = fails(ask, on_send=lambda packet: [7])
        assert told == "on_send returned 7, and is to return the packet, several, or None", told
        for name in ("on_send", "on_receive"):
            told = fails(ask, **{name: lambda packet: None})
            assert told.endswith(f"(every segment was held back by {name}: does it return them?)"), told
        """
    )


def test_hooks_see_change_and_hold_back(run: Run) -> None:
    """A segment is a packet of Scapy's to a hook; what it changes is right again, but for what it set."""
    run(
        """
        seen, kept = [], []
        def sending(packet):
            seen.append(str(packet["TCP"].flags))
            if len(seen) == 1:
                packet["TCP"].window = 4000         # the checksum is made anew, or there would be no answer
            if len(seen) == 3:
                packet["TCP"].chksum ^= 1           # stays wrong, so the kernel drops it
            if len(seen) == 5:
                kept.append(packet)                 # held back, to go behind the next one
                return None
            return [packet, *kept[len(kept) - 1:len(kept)]] if len(seen) == 6 else packet
        web = Connection("web", 7000)
        web.on_send = sending
        web.connect()
        assert web.endpoint.block.sender.window > 0
        for part in (b"one ", b"two ", b"three"):
            web.sendall(part)
        web.shutdown()
        answer = web.makefile().read()
        assert answer[64:] == b"one two three", answer
        web.close()
        assert seen[:3] == ["S", "A", "PA"], seen
        """
    )


LOSSY = """
import hashlib, random, sys
from concurrent.futures import ThreadPoolExecutor
from scapy.layers.inet import IP
from netlab.tcp.driver import Connection
from netlab.tcp.settings import Settings

QUICK = Settings(mss=500, initial_rto=0.1, minimum_rto=0.1, maximum_rto=0.5, msl=0.2)

class Wire:
    '''Loses, doubles, swaps and damages, as its seed says.'''
    def __init__(self, seed):
        self.random, self.held = random.Random(seed), None
    def __call__(self, packet):
        fate = self.random.random()
        if fate < 0.06:
            return None
        if fate < 0.10:
            return [packet, packet]
        if fate < 0.14:
            data = bytearray(bytes(packet))
            data[self.random.randrange(20, len(data))] ^= 1 << self.random.randrange(8)
            return IP(bytes(data))
        if fate < 0.20 and self.held is None:
            self.held = packet
            return None
        held, self.held = self.held, None
        return [packet, held] if held else packet

def one(seed):
    draw = random.Random(seed)
    data = draw.randbytes(draw.randrange(3000))
    web = Connection("10.0.0.80", 7000, local_port=49152 + seed, settings=QUICK, timeout=40)
    web.on_send, web.on_receive = Wire(seed), Wire(-seed)
    try:
        web.connect()
        web.sendall(data)
        web.shutdown()
        answer = web.makefile().read()
        assert answer == hashlib.sha256(data).hexdigest().encode() + data, "other bytes"
        web.linger()
        assert web.state.value == "CLOSED", web.state
        web.close()
    except Exception as error:
        return f"seed {seed}: {error!r} {[s.value for s in web.endpoint.block.history]}"

one(0)  # asks for the MAC, once for all
with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    faults = [fault for fault in pool.map(one, range(1, int(sys.argv[1]) + 1)) if fault]
print("\\n".join(faults[:20]))
sys.exit(1 if faults else 0)
"""


def test_over_a_wire_that_misbehaves(running: Lab, place: Path) -> None:
    """Connections to the kernel, each over its own seeded wire: every byte arrives, and every run ends."""
    script = place / "lossy.py"
    script.write_text(LOSSY)
    done = running.output("client", [str(script), str(SCHEDULES), str(AT_ONCE)], seconds=110)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lab_does_the_same_in_five_lines(tmp_path: Path) -> None:
    """The lab's own proof holds for the record of its second script, and two records of that are the same."""
    exercise = find("handshake")
    for number in ("1", "2"):
        script = exercise.script.with_name("endpoint.py")
        argv = [NETLAB, "run", exercise.topology, "client", "--out", tmp_path / number, "--", script]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith("83059 bytes, SHA-256 b4bcb372")
    proof = [sys.executable, exercise.proof, tmp_path / "1"]
    proved = subprocess.run(proof, capture_output=True, text=True, timeout=60, check=False)
    assert proved.returncode == 0, proved.stdout + proved.stderr
    assert str(compare(load(tmp_path / "1"), load(tmp_path / "2"))).startswith("the same ")
