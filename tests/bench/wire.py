"""A wire in user space beside the same lab without: the round trip at idle, and packets a second through it.

Prints one line of JSON: for each wire of WIRES `NAME rtt`, the median round trip in ms; `NAME rate`, how many
packets a second come through in one direction when more are sent; `NAME lost`, how many of RATE a second the
wire had no time for. All is recorded, as in a run.

    python tests/bench/wire.py
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from statistics import median

from netlab import lab, topology
from netlab.lab.record import claim
from netlab.plan import make_plan

RATE = 30000
SECONDS = 2
FLOOD = 60_000
FLOODS = 3
PINGS = 200
WIRES = {
    "none": "",
    "clear": "wire: {}",
    "loss": "wire: {loss: 0.000001%}",  # each packet is looked at, and the dice are thrown
    "delay": "wire: {delay: 1 ms}",
    "script": "wire: {script: [drop 2nd tcp data]}",
}
TOPOLOGY = """
name: wire
nodes:
  a: {{address: 10.0.0.1}}
  b: {{address: 10.0.0.2, {wire}}}
"""
# Takes small datagrams until nothing has come for a while: how many came, and in which time.
TAKE = """
import json, socket, sys, time
taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
taken.bind(("10.0.0.2", 9))
print("ready", flush=True)
taken.recv(64)
begin = last = time.perf_counter()
count = 1
taken.settimeout(1.0)
try:
    while True:
        taken.recv(64)
        count += 1
        last = time.perf_counter()
except TimeoutError:
    pass
print(json.dumps([count, last - begin]), flush=True)
"""
# Sends COUNT small datagrams, RATE a second; 0: as fast as can be.
SEND = """
import socket, sys, time
rate, count = map(int, sys.argv[1:])
sent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent.connect(("10.0.0.2", 9))
begin = time.perf_counter()
for number in range(count):
    sent.send(b"0123456789")
    if rate and number % 30 == 0:
        while (ahead := begin + number / rate - time.perf_counter()) > 0:
            time.sleep(min(ahead, 0.001))
print(time.perf_counter() - begin)
"""


def flood(running: lab.Lab, rate: int, count: int) -> tuple[int, float]:
    """Send datagrams from a to b; return how many came, and the seconds between the first and the last."""
    reading, writing = os.pipe()
    with open(reading) as said:  # noqa: PTH123 — a descriptor
        taker = running.launch("b", [sys.executable, "-c", TAKE], stdio=(0, writing, 2))
        os.close(writing)
        said.readline()
        done = running.output("a", [sys.executable, "-c", SEND, str(rate), str(count)])
        assert done.returncode == 0, done.stderr
        came, seconds = json.loads(said.readline())
        taker.close()
    return came, seconds


def lost(running: lab.Lab) -> int:
    """Return how many packets the wire had no time for until now."""
    return int(running.wires()["lost"])


def measured(name: str) -> dict[str, float]:
    """Measure one kind of wire."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "wire.yaml")
        path.write_text(TOPOLOGY.format(wire=WIRES[name]))
        record = claim(Path(directory, "out"), "wire")
        with lab.start(make_plan(topology.load(path)), record=record) as running:
            pings = running.output("a", ["ping", "-c", str(PINGS), "-i", "0.005", "10.0.0.2"]).stdout
            trips = [float(time) for time in re.findall(r"time=([\d.]+)", pings)]
            flood(running, RATE, RATE * SECONDS)
            steady = lost(running)
            # The best of some: what else the machine does can only take away.
            rate = max(came / seconds for came, seconds in (flood(running, 0, FLOOD) for _ in range(FLOODS)))
    return {f"{name} rtt": median(trips), f"{name} rate": rate, f"{name} lost": steady}


def main() -> None:
    """Measure all of them."""
    said: dict[str, float] = {}
    for name in WIRES:
        said |= measured(name)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
