"""A load inside a lab, on the builtin servers and, where they are installed, on BIND and nginx.

    python -m tests.bench.load dns|http KIND COUNT FLIGHT  ->  {"builtin right": N, …, "real seconds": S}

KIND and the rest are flood.py's, which runs in the client's node, once for each server; a real one, which
would be done in the twinkling of an eye, is asked TIMES as much.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netlab import lab
from netlab.kernel import programs
from netlab.lab import Lab
from netlab.plan import make_plan
from netlab.topology.model import DnsService, HttpService, Record, Zone
from tests.bench import flood
from tests.system.differential import servers

REAL = {"dns": "named", "http": "nginx"}
TIMES = 3  # no more: an id of DNS has 16 bits


def zone() -> Zone:
    """Return the zone that flood.py asks for."""
    soa = Record("@", "SOA", "ns hostmaster 1 3600 600 86400 300")
    hosts = (Record(name, "A", address) for name, address in map(flood.record, range(flood.NAMES)))
    return Zone("load.test", (soa, Record("@", "NS", "ns"), Record("ns", "A", servers.BUILTIN), *hosts))


@contextmanager
def loaded(service: str, *, real: bool) -> Iterator[Lab]:
    """Start a lab whose servers have what flood.py asks for."""
    with tempfile.TemporaryDirectory() as content:
        for name, body in map(flood.page, range(flood.PAGES)):
            (Path(content) / name).write_bytes(body)
        served = DnsService((zone(),)) if service == "dns" else HttpService(Path(content))
        with lab.start(make_plan(servers.both(served, real=real)), visible=[Path(content)]) as running:
            yield running


def measure(running: Lab, address: str, *arguments: str) -> dict[str, float]:
    """Run flood.py in the client's node."""
    kind, *numbers = arguments
    done = running.output("client", [sys.executable, flood.__file__, kind, address, *numbers], seconds=120)
    if done.returncode != 0:
        raise RuntimeError(f"flood.py failed: {done.stderr}")
    told: dict[str, float] = json.loads(done.stdout)
    return told


def main() -> None:
    """Load each server in turn; print the figures."""
    service, kind, count, flight = sys.argv[1:]
    real = programs.find(REAL[service]) is not None
    figures: dict[str, float] = {}
    with loaded(service, real=real) as running:
        for who, address, times in (("builtin", servers.BUILTIN, 1), ("real", servers.REAL, TIMES)):
            if who == "builtin" or real:
                told = measure(running, address, kind, str(times * int(count)), flight)
                figures |= {f"{who} {word}": value for word, value in told.items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
