"""What a node is given, in its long form, and what the plan makes of it; faults are in test_faults.py."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import InputError
from netlab.plan import describe, make_plan
from netlab.plan.commands import commands
from netlab.topology import parse, provisions
from netlab.topology.given import GivenFile, Limits, LogMatches, PortOpen, Provisions, Startup, Succeeds
from netlab.topology.model import Topology


def read(text: str, directory: Path = Path("/nowhere")) -> Topology:
    """Read a topology from a file that is called lab.yaml."""
    return parse(text, file="lab.yaml", directory=directory)


def given_to(words: object, directory: Path = Path("/nowhere")) -> Provisions:
    """Read what a node with these words is given; JSON is YAML."""
    return read(f"nodes: {{a: {json.dumps(words, ensure_ascii=False)}}}", directory).node("a").provisions


def test_nothing_is_given_by_default() -> None:
    """A node without words gets nothing, nor one whose words are left empty; no limit of time is set."""
    topology = read("nodes: {a: , b: {environment: , sysctls: , files: , start: , limits: }}\ntime-limit:\n")
    assert topology.node("a").provisions == topology.node("b").provisions == Provisions()
    assert topology.time_limit is make_plan(topology).time_limit is None


def test_variables_are_their_text() -> None:
    """What YAML would read as a number or a truth value is what stands there; "" is an empty value."""
    text = 'nodes: {a: {environment: {A: 010, B: yes, C: 1e3, D: "", E: "a b", F: 2012-01-01}}}'
    assert dict(read(text).node("a").provisions.environment) == {
        "A": "010",
        "B": "yes",
        "C": "1e3",
        "D": "",
        "E": "a b",
        "F": "2012-01-01",
    }


def test_an_environment_has_a_bound() -> None:
    """What execve(2) could not take is refused before anything starts."""
    assert given_to({"environment": {"A": "x" * 65_000}}).environment
    with pytest.raises(InputError, match="an environment of more than 64 KiB"):
        given_to({"environment": {"A": "x" * 33_000, "B": "x" * 33_000}})


def test_files_are_read_at_load(tmp_path: Path) -> None:
    """A file's text and its copy are bytes with a mode; paths are relative to the topology."""
    (tmp_path / "data.bin").write_bytes(b"\xff\0")
    files = {
        "/a": "é",
        "/b": {"from": "data.bin"},
        "/c": {"from": str(tmp_path / "data.bin"), "mode": "755"},
        "/d": {"text": "", "mode": "0600"},
    }
    found = given_to({"files": files}, tmp_path).files
    (tmp_path / "data.bin").unlink()
    assert found == (
        GivenFile("/a", "é".encode(), 0o644),
        GivenFile("/b", b"\xff\0", 0o644, "data.bin"),
        GivenFile("/c", b"\xff\0", 0o755, str(tmp_path / "data.bin")),
        GivenFile("/d", b"", 0o600),
    )


def test_files_have_a_bound_in_all(tmp_path: Path) -> None:
    """The nodes' files together are bounded, and the one that is too much is told, once."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(provisions.MOST_BYTES)
    assert len(given_to({"files": {"/a": {"from": "large"}}}, tmp_path).files[0].data) == 16 << 20
    text = "nodes:\n  a: {files: {/a: {from: large}}}\n  b: {files: {/a: x, /b: y}}\n"
    with pytest.raises(InputError, match="more than 16 MiB") as caught:
        read(text, tmp_path)
    assert [fault.place.line for fault in caught.value.faults] == [3]
    with (tmp_path / "large").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="more than 16 MiB"):
        given_to({"files": {"/a": {"from": "large"}}}, tmp_path)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A pipe, which would block, and a path that cannot be one are faults; nothing waits."""
    import os

    os.mkfifo(tmp_path / "pipe")
    for name, what in (("pipe", "no regular file"), ("a\0b", "cannot be read"), ("x" * 5000, "cannot be")):
        with pytest.raises(InputError, match=what):
            given_to({"files": {"/a": {"from": name}}}, tmp_path)


def test_start_in_its_forms() -> None:
    """A command alone, a list of words, one with a condition: each is the long form; one needs no list."""
    start = [
        "touch '/tmp/a b'",
        ["sh", "-c", "a | b"],
        {"run": "server --port 80", "ready": {"port": 80}},
        {"run": ["server"], "ready": {"udp-port": 53}, "within": 60},
        {"run": "server", "ready": {"log": "^up$"}},
        {"run": "server", "ready": {"succeeds": "client -v"}},
    ]
    assert given_to({"start": start}).start == (
        Startup(("touch", "/tmp/a b")),
        Startup(("sh", "-c", "a | b")),
        Startup(("server", "--port", "80"), PortOpen(80)),
        Startup(("server",), PortOpen(53, "udp"), 60),
        Startup(("server",), LogMatches("^up$")),
        Startup(("server",), Succeeds(("client", "-v"))),
    )
    assert given_to({"start": "a b"}) == given_to({"start": {"run": "a b"}}) == given_to({"start": ["a b"]})


@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])), min_size=1))
def test_quoted_words_stay_what_they_are(words: list[str]) -> None:
    """Whatever a shell would see in a text that is quoted for it, a start-up command has."""
    words = ["/bin/echo", *words]
    assert given_to({"start": [shlex.join(words)]}).start[0].argv == tuple(words)


@pytest.mark.parametrize(
    "text", ["a > b", "a|b", "a; b", "a & b", "a $b", 'a "$b"', "a `b`", "a\nb", "a \\\\| b|"]
)
def test_what_only_a_shell_can_do_is_refused(text: str) -> None:
    """Signs that a shell would obey are faults outside of quotes, and in double ones where it obeys them."""
    with pytest.raises(InputError, match="is for a shell"):
        given_to({"start": [text]})


@pytest.mark.parametrize("text", ["a '> b'", 'a "|;&"', "a \\> b", "a '$b' '`'", "a \\$b", 'a "\\$b"'])
def test_quoted_signs_are_words(text: str) -> None:
    """What is quoted is not for a shell."""
    assert given_to({"start": [text]}).start[0].argv == tuple(shlex.split(text))


@pytest.mark.parametrize(
    ("size", "count"), [("1 MiB", 1 << 20), ("64MiB", 64 << 20), ("2 GiB", 2 << 30), ("1024 KiB", 1 << 20)]
)
def test_limits(size: str, count: int) -> None:
    """A size has a unit; each limit stands for itself."""
    limits = {"memory": size, "processes": 50, "cpu-seconds": 10, "files": 100}
    assert given_to({"limits": limits}).limits == Limits(count, 50, 10, 100)
    assert given_to({"limits": {"memory": size}}).limits == Limits(memory=count)


GIVEN = """\
time-limit: 60
nodes:
  a:
    environment: {COLOUR: blue sky}
    sysctls: {net.ipv4.tcp_early_retrans: 3, net.ipv4.tcp_syncookies: 0, net.ipv4.tcp_rmem: 1 2 3}
    files:
      /etc/motd: "hello\\n"
      /etc/hosts: {text: "127.0.0.1 me\\n", mode: "0600"}
      /srv/data: {text: x}
    limits: {memory: 64 MiB, files: 100}
    start:
      - touch /tmp/x
      - {run: server 80, ready: {port: 80}, within: 5}
  b:
"""


def test_plan_tells_all() -> None:
    """Each word is in the plan's text; what takes the place of netlab's own says so."""
    plan = make_plan(read(GIVEN))
    told = [" ".join(line.split()) for line in describe.text(plan).splitlines()]
    assert told[0] == "Lab lab: 2 nodes, seed 2012, commands end after 60 s."
    assert told[told.index("a") :] == [
        "a",
        "environment COLOUR blue sky",
        "sysctl net.ipv4.tcp_early_retrans 3 (in place of netlab's 0)",
        "sysctl net.ipv4.tcp_syncookies 0",
        "sysctl net.ipv4.tcp_rmem 1 2 3 (in place of netlab's 4096 131072 6291456)",
        "file /etc/motd 6 bytes, mode 0644",
        "file /etc/hosts 13 bytes, mode 0600 (in place of netlab's)",
        "file /srv/data 1 byte, mode 0644",
        "limit memory 64 MiB of address space",
        "limit files 100 open in a process",
        "start 1 touch /tmp/x; for at most 10 s, until it has ended",
        "start 2 server 80; for at most 5 s, until tcp port 80 is open",
    ]


def test_plan_as_data() -> None:
    """JSON has each word, and of a node that is given nothing no more than before."""
    plan = make_plan(read(GIVEN))
    data = json.loads(json.dumps(describe.data(plan)))
    a, b = data["nodes"]
    assert data["time_limit"] == 60
    assert a["sysctls"]["net.ipv4.tcp_early_retrans"] == "3"
    assert a["environment"] == {"COLOUR": "blue sky"}
    assert a["limits"] == {"memory": 64 << 20, "files": 100}
    assert [(file["path"], file["text"], file["mode"]) for file in a["given_files"]] == [
        ("/etc/motd", "hello\n", "0644"),
        ("/etc/hosts", "127.0.0.1 me\n", "0600"),
        ("/srv/data", "x", "0644"),
    ]
    assert a["start"] == [
        {"run": ["touch", "/tmp/x"], "ready": None, "within": 10},
        {"run": ["server", "80"], "ready": {"port": 80}, "within": 5},
    ]
    assert not {"environment", "limits", "given_files", "start"} & b.keys()


def test_plan_as_commands() -> None:
    """The commands give a node what can be given by hand, its parameters last, and name what cannot."""
    lines = commands(make_plan(read(GIVEN)))
    (sysctl,) = (line for line in lines if "netns exec a sysctl -e -w" in line)
    assert sysctl.endswith(
        " net.ipv4.tcp_early_retrans=3 net.ipv4.tcp_syncookies=0 'net.ipv4.tcp_rmem=1 2 3'"
    )
    assert "printf %s 'hello\n' > /etc/netns/a/motd  # shown if /etc has one too" in lines
    assert any("gives a the file /srv/data (1 byte, mode 0644), in a mount" in line for line in lines)
    start = "ip netns exec a env 'COLOUR=blue sky' prlimit --as=67108864 --nofile=100"
    assert f"{start} touch /tmp/x" in lines
    assert f"{start} server 80 &  # and wait until tcp port 80 is open" in lines


def test_own_parameters_come_last() -> None:
    """The kernel keeps what is written last: the file's, whatever netlab pins; other nodes are untouched."""
    plan = make_plan(read(GIVEN))
    plain = make_plan(read("nodes: {a: , b: }"))
    pinned = plain.node("a").sysctls
    assert plan.node("a").sysctls == pinned + plan.node("a").provisions.sysctls
    assert replace(plan.node("b")) == plain.node("b")
