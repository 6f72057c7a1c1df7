"""A zone that is delegated from one builtin server to another, both from zone files, as dig sees it."""

from __future__ import annotations

from pathlib import Path

from netlab import lab, topology
from netlab.lab import Lab
from netlab.plan import make_plan
from tests.system.harness import PATIENCE, requires

TOPOLOGY = """\
nodes:
  root:
    address: 10.0.0.1
    services: {dns: {zones: {".": zones/root.zone, test: {lab: {NS: ns.lab}, ns.lab: 10.0.0.2}}}}
  ns:
    address: 10.0.0.2
    services: {dns: {zones: {lab.test: zones/lab.zone}}}
"""
ROOT = """\
$TTL 1d
.       SOA     root.lab.test. hostmaster.lab.test. 1 2 3 4 5
        NS      root.lab.test.
root.lab.test.  A 10.0.0.1
example.        NS a.ns.example.
                NS b.ns.example.
a.ns.example.   600 A 10.0.0.2
b.ns.example.   A 203.0.113.53
"""
LAB = """\
$TTL 77
@       SOA     ns hostmaster ( 1 3600 600 86400 30 )
        NS      ns
ns      A       10.0.0.2
www     5 A     10.0.0.1
        5 A     10.0.0.2
odd     TYPE65280 \\# 2 abcd
"""


def dig(running: Lab, *words: str) -> str:
    """Ask without recursion, and return the records and the header's flags."""
    shown = ["+norecurse", "+nocmd", "+noquestion", "+nostats"]
    return running.output("root", ["dig", *shown, *words], seconds=PATIENCE).stdout.replace("\t", " ")


@requires("dig")
def test_a_parent_refers_and_its_child_answers(tmp_path: Path) -> None:
    """The parent refers with glue and without AA, the child answers with it; TTLs are the files' own."""
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "root.zone").write_text(ROOT)
    (tmp_path / "zones" / "lab.zone").write_text(LAB)
    plan = make_plan(topology.parse(TOPOLOGY, file="lab.yaml", directory=tmp_path))
    for path in (tmp_path / "zones").iterdir():
        path.unlink()  # what they said was read with the topology
    with lab.start(plan) as running:
        far = " ".join(dig(running, "@10.0.0.1", "www.example.", "A").split())
        assert ";; flags: qr; QUERY: 1, ANSWER: 0, AUTHORITY: 2, ADDITIONAL: 3" in far
        assert "example. 86400 IN NS a.ns.example." in far
        assert "a.ns.example. 600 IN A 10.0.0.2" in far
        parent = " ".join(dig(running, "@10.0.0.1", "www.lab.test.", "A").split())
        assert ";; flags: qr; QUERY: 1, ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 2" in parent
        assert "lab.test. 300 IN NS ns.lab.test." in parent
        assert "ns.lab.test. 300 IN A 10.0.0.2" in parent
        child = " ".join(dig(running, "@10.0.0.2", "www.lab.test.", "A").split())
        assert ";; flags: qr aa; QUERY: 1, ANSWER: 2, AUTHORITY: 0" in child
        assert "www.lab.test. 5 IN A 10.0.0.1 www.lab.test. 5 IN A 10.0.0.2" in child
        assert "lab.test. 30 IN SOA ns.lab.test." in " ".join(
            dig(running, "@10.0.0.2", "no.lab.test").split()
        )
        odd = " ".join(dig(running, "@10.0.0.2", "odd.lab.test.", "TYPE65280").split())
        assert "odd.lab.test. 77 IN TYPE65280 \\# 2 ABCD" in odd
        running.finish()
