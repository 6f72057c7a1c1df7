"""Rules in real labs: what the kernel holds is what nft would have made of the words, and is obeyed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from netlab import lab, topology
from netlab.lab.record import claim
from netlab.plan import make_plan
from tests.system import commandline, harness
from tests.system.commandline import Desk

NFT = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin")

EVERY_WORD = """
networks: {lan: {subnet: 10.0.0.0/24, subnet6: fd00::/64}, wan: 192.0.2.0/24}
nodes:
  a: {interfaces: {lan: {address: 10.0.0.10, address6: "fd00::10"}}}
  r:
    interfaces: {lan: 10.0.0.1, wan: 192.0.2.1}
    router: true
    firewall:
      - hold-back-rst
      - {protocol: tcp, port: 80, from: a, verdict: reject}
      - {chain: forward, state: new, from: 10.0.0.0/8, verdict: accept}
      - {chain: output, protocol: tcp, flags: [syn, ack], to: 192.0.2.0/25, verdict: drop, name: no-syn}
      - {protocol: udp, source-port: 53, verdict: reject}
      - {protocol: icmp, verdict: accept}
      - {protocol: icmpv6, verdict: accept}
      - {from: "fd00::/60", to: "fd00:1::1", state: [established, related], verdict: drop}
      - {from: "0.0.0.0/0", verdict: accept, state: related}
    nat: {masquerade: wan, forward: {80: a, udp/53: "a:5353"}}
  s: {interfaces: {wan: 192.0.2.80}}
"""
LISTING = 'nft list table inet netlab | sed -E \'s/ comment "[^"]*"//; s/packets [0-9]+ bytes [0-9]+/none/\''


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk of the test's own."""
    with commandline.desk(tmp_path) as made:
        yield made


def write(desk: Desk, text: str) -> str:
    """Write a topology to the desk."""
    (desk.directory / "lab.yaml").write_text(text)
    return "lab.yaml"


@pytest.mark.skipif(NFT is None, reason="no nft to compare with")
def test_the_kernel_holds_what_nft_would_have_made(desk: Desk) -> None:
    """Every word, told to the kernel by netlab, and by nft from the plan, is listed as the same."""
    path = write(desk, EVERY_WORD)
    planned = json.loads(desk.netlab("plan", path, "--json").stdout)
    rules = next(node for node in planned["nodes"] if node["name"] == "r")["rules"]
    commands = desk.netlab("plan", path, "--commands").stdout.splitlines()
    prefix = "ip netns exec r "
    again = "\n".join(line.removeprefix(prefix) for line in commands if line.startswith(f"{prefix}nft "))
    script = f"{LISTING} > /tmp/ours; nft delete table inet netlab; {again}\n{LISTING} > /tmp/theirs\n"
    script += "diff /tmp/ours /tmp/theirs && wc -l < /tmp/ours"
    path_too = f"PATH={os.environ['PATH']}:/usr/sbin"
    done = desk.netlab("run", path, "r", "--", "env", path_too, "sh", "-ec", script)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) > len(rules)


def counted(desk: Desk, node: str) -> dict[str, int]:
    """Return how often each rule of a node matched in the lab that has just run."""
    kernel = json.loads((desk.directory / "runs" / "lab" / "kernel.json").read_text())
    rules: dict[str, int] = kernel[node]["rules"]
    return rules


GUARDED = """
nodes:
  client: {address: 10.0.0.10}
  other: {address: 10.0.0.11}
  web:
    address: 10.0.0.80
    services: {http: {content: topologies/www}}
    firewall: [RULE]
"""


REFUSED, KEPT_WAITING = 7, 28  # curl's exit statuses
# A rule, what curl sees of it, and the name that it counts by: None where that is not looked at.
RULES: list[tuple[str, int, str | None]] = [
    ("{protocol: tcp, port: 80, from: client, verdict: drop}", KEPT_WAITING, "drop-tcp-80"),
    ("{protocol: tcp, port: 80, from: 10.0.0.8/29, verdict: reject}", REFUSED, "reject-tcp-80"),
    ("{from: client, verdict: reject, name: not-you}", REFUSED, "not-you"),
    ("{protocol: tcp, state: new, verdict: drop}", KEPT_WAITING, "drop-tcp-new"),
    (
        "{chain: output, protocol: tcp, source-port: 80, flags: [syn, ack], verdict: drop}",
        KEPT_WAITING,
        None,
    ),
    ("{protocol: tcp, port: 80, from: other, verdict: drop}", 0, None),
    ("{protocol: tcp, port: 81, verdict: drop}", 0, None),
    ("{protocol: udp, port: 80, verdict: drop}", 0, None),
]


@dataclass(frozen=True)
class Visit:
    """What came of a visit to a server with a rule: curl's status, and how often its rules matched."""

    status: int
    matched: dict[str, int]


@pytest.fixture(scope="module")
def visits(backend: str, tmp_path_factory: pytest.TempPathFactory) -> list[Visit]:
    """Visit a server for each rule, all of them in one lab."""
    lines = ["nodes:", "  client: {address: 10.0.0.10}", "  other: {address: 10.0.0.11}"]
    fetches = []
    for number, (rule, status, _) in enumerate(RULES):
        web = f"address: 10.0.0.{80 + number}, services: {{http: {{content: www}}}}"
        lines.append(f"  web{number}: {{{web}, firewall: [{rule}]}}")
        # Who is kept waiting need not wait for long.
        limit = 2 if status == KEPT_WAITING else harness.PATIENCE
        fetch = f"curl -s -m {limit:g} -o /dev/null http://10.0.0.{80 + number}/hello.txt"
        fetches.append(f"({fetch}; echo {number} $?) &")
    parsed = topology.parse("\n".join(lines), file="rules.yaml", directory=harness.ROOT / "topologies")
    record = claim(tmp_path_factory.mktemp("rules") / "out", "rules")
    with lab.start(make_plan(parsed, backend=backend), record=record) as running:
        done = running.output("client", ["sh", "-c", f"{' '.join(fetches)} wait"])
        running.finish()
    said = dict(line.split() for line in done.stdout.splitlines())
    kernel = json.loads((record.path / "kernel.json").read_text())
    return [Visit(int(said[str(n)]), kernel[f"web{n}"]["rules"]) for n in range(len(RULES))]


@pytest.mark.parametrize("number", range(len(RULES)), ids=lambda number: RULES[number][0])
def test_a_rule_decides_what_curl_sees(visits: list[Visit], number: int) -> None:
    """An ordinary client is refused, kept waiting or served as the rule says; the rule counts by its name."""
    _, status, name = RULES[number]
    assert visits[number].status == status
    if name is not None:
        assert visits[number].matched[name] >= 1
    elif status == 0:
        assert set(visits[number].matched.values()) == {0}


def test_the_first_rule_that_decides_ends_it(desk: Desk) -> None:
    """What one rule accepts, no later one of the same chain refuses."""
    path = write(desk, GUARDED.replace("RULE", "{protocol: tcp, verdict: accept}, {verdict: reject}"))
    assert desk.netlab("run", path, "client", "--", "curl", "-s", "http://10.0.0.80/hello.txt").stdout
    assert desk.netlab("run", path, "client", "--", "ping", "-c1", "-W1", "web").returncode == 1


@pytest.mark.skipif(NFT is None, reason="no nft to read raw rules")
def test_raw_rules_are_nfts(desk: Desk) -> None:
    """Text for nft is obeyed beside netlab's own rules, which count as ever."""
    text = GUARDED.replace("RULE", "{protocol: tcp, port: 80, verdict: accept}") + (
        "    nft: |\n"
        "      table inet mine {\n"
        "        chain in { type filter hook input priority 10; tcp dport 80 reject with tcp reset; }\n"
        "      }\n"
    )
    done = desk.netlab("run", write(desk, text), "client", "--", "curl", "-s", "-m", "2", "http://10.0.0.80/")
    assert done.returncode == 7
    assert counted(desk, "web") == {"accept-tcp-80": 1}


@pytest.mark.skipif(NFT is None, reason="no nft to refuse them")
def test_what_nft_refuses_is_told_of_every_node(desk: Desk) -> None:
    """Two nodes' mistakes come at once; one in a file that is included is told where that is named."""
    rule = "table inet mine { chain in { tcp dport ninety drop; }; }"
    more = desk.directory / "more.nft"
    more.write_text(f"\n\n{rule}\n")
    text = f'nodes:\n  a:\n    nft: |\n      include "{more}"\n  b:\n    nft: |\n      {rule}\n'
    done = desk.netlab("run", write(desk, text), "a", "--", "true")
    assert done.returncode == 2
    first, second = (line for line in done.stderr.splitlines() if "nft refuses it" in line)
    assert first.startswith("lab.yaml:4:7: nft refuses it: Could not resolve service")
    assert f"in {more}, line 3" in first
    assert second.startswith("lab.yaml:7:")


@pytest.mark.skipif(NFT is None, reason="no nft to refuse them")
@pytest.mark.parametrize(
    ("written", "place", "caret"),
    [
        (
            "|\n      table inet mine {\n        chain in { tcp dport ninety drop; }\n      }\n",
            "lab.yaml:5:30",
            33,
        ),
        ('"table inet mine { chain in { tcp dport ninety drop; }; }"', "lab.yaml:3:10", None),
    ],
)
def test_nft_has_the_word_at_the_place_in_the_file(
    desk: Desk, written: str, place: str, caret: int | None
) -> None:
    """What nft refuses is told with the topology's line, and nothing is started."""
    path = write(desk, f"nodes:\n  a:\n    nft: {written}\n")
    done = desk.netlab("run", path, "a", "--", "echo", "started")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{place}: nft refuses it: Could not resolve service")
    if caret is not None:
        assert done.stderr.splitlines()[2].index("^") == caret
    desk.assert_nothing_left()
