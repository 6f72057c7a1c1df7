"""The crafted endpoint beside Scapy's own means and the kernel, in one lab: a download, and a handshake.

Prints one line of JSON: `endpoint`, `automaton` and `kernel`, the seconds of a download of 10 MiB (Scapy's
automaton is let off with the first fifth of it), and `ours` and `scapy`, the milliseconds of a handshake with
the endpoint, and of its three steps with sr1 and send.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from netlab import lab, topology
from netlab.plan import make_plan

SIZE = 10 << 20
TOPOLOGY = """
name: tcp
nodes:
  client: {address: 10.0.0.10, firewall: [hold-back-rst]}
  web: {address: 10.0.0.80, services: {http: {content: www}}}
"""
SCRIPT = """
import json, random, socket, statistics, time
from scapy.all import IP, TCP, Raw, TCP_client, conf, send, sr1
from netlab.tcp.driver import connect

conf.verb = 0
SIZE = 10 << 20
REQUEST = b"GET /large HTTP/1.1\\r\\nHost: web\\r\\nConnection: close\\r\\n\\r\\n"

def download(web, receive, part=1):
    begin = time.perf_counter()
    web.send(REQUEST)
    length = 0
    while length < SIZE / part:
        length += len(receive())
    return part * (time.perf_counter() - begin)

def with_sr1(port):
    begin = time.perf_counter()
    syn = IP(dst="10.0.0.80") / TCP(sport=port, dport=80, seq=port, flags="S")
    answer = sr1(syn, timeout=5)
    send(IP(dst="10.0.0.80") / TCP(sport=port, dport=80, seq=port + 1, ack=answer.seq + 1, flags="A"))
    return time.perf_counter() - begin

def with_ours(port):
    begin = time.perf_counter()
    web = connect("10.0.0.80", 80, local_port=port)
    taken = time.perf_counter() - begin
    web.abort()
    return taken

web = connect("10.0.0.80", 80)
told = {"endpoint": download(web, web.recv)}
web.abort()
with socket.create_connection(("10.0.0.80", 80)) as web:
    told["kernel"] = download(web, lambda: web.recv(65536))
web = TCP_client.tcplink(Raw, "10.0.0.80", 80)
told["automaton"] = download(web, lambda: bytes(web.recv()), 5)
web.close()
told["ours"] = 1000 * statistics.median(with_ours(50000 + number) for number in range(9))
told["scapy"] = 1000 * statistics.median(with_sr1(51000 + number) for number in range(9))
print(json.dumps(told), flush=True)
"""


def main() -> int:
    """Run the script in a lab of its own."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        (top / "www").mkdir()
        (top / "www" / "large").write_bytes(os.urandom(SIZE))
        (top / "tcp.yaml").write_text(TOPOLOGY)
        (top / "script.py").write_text(SCRIPT)
        with lab.start(make_plan(topology.load(top / "tcp.yaml")), visible=[top]) as running:
            done = running.output("client", [str(top / "script.py")], seconds=300)
    said = [line for line in done.stdout.splitlines() if line.startswith("{")]
    print(said[-1] if said else "", flush=True)
    sys.stderr.write(done.stderr)
    return 0 if said else 1


if __name__ == "__main__":
    sys.exit(main())
