"""Live changes in real labs: traffic before and after, what is not touched, and nothing half done."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab.backends.inside import parcel
from netlab.errors import InputError, LabError, MachineError, NetlabError, ServiceError, UsageError
from netlab.lab import Lab
from netlab.report.dissect import dissect
from netlab.report.headers import Icmp
from netlab.report.pcapng import read_capture
from tests.system.applied import fails, look, looks, out, plan, started
from tests.system.harness import init_of, make_token, marked, requires, wait_for

pytestmark = requires("ip", "nft", "nsenter", "curl", "dig", "ping")

PING = "ping -c 1 -W 10 "
VAIN = "ping -c 1 -W 0.3 "  # what must not come need not be waited for

# Each is applied to what the one before it left; together they touch all that a plan has.
WEB = """
nodes:
  client: {address: 10.0.0.10, firewall: [hold-back-rst]}
  dns: {address: 10.0.0.53, services: {dns: {zones: {lab.test: {www: 10.0.0.80}}}}}
  web: {address: 10.0.0.80, services: {http: {content: www}}}
"""
GROWN = """
networks: {lan: {subnet: 10.0.0.0/24, subnet6: auto, mtu: 1400}, far: {subnet: 10.1.0.0/24, kind: hub}}
nodes:
  client:
    interfaces: {lan: 10.0.0.11}
    sysctls: {net.ipv4.tcp_syncookies: 0, net.ipv4.conf.eth0.log_martians: 1}
  dns:
    interfaces: {lan: 10.0.0.53, far: }
    router: true
    services: {dns: {zones: {lab.test: {www: 192.0.2.81}}}}
  web:
    interfaces: {lan: 10.0.0.80}
    services: {http: {content: www, port: 81}}
    firewall: [{protocol: tcp, port: 80, verdict: drop}, hold-back-rst]
  extra: {interfaces: {far: }, files: {/etc/motd: "hi\\n"}}
"""
TURNED = """
resolver: none
networks: {lan: {subnet: 10.0.0.0/24, kind: hub}, far: {subnet: none, subnet6: auto}, end: 10.9.0.0/16}
nodes:
  client: {interfaces: {far: , lan: {address: 10.0.0.10, up: false}, end: }, default: none}
  dns: {interfaces: {lan: 10.0.0.53}, services: {dns: {zones: {lab.test: {www: 192.0.2.81}}}}}
  web:
    interfaces: {lan: {address: 10.0.0.80, mac: "02:00:00:00:00:07"}, far: }
    router: true
    nft: "table ip x { chain in { type filter hook input priority 10; ip ttl < 5 counter drop; }; }"
    files: {/etc/motd: "hi\\n", /srv/given: "1"}
  extra: {interfaces: {end: , lan: }}
"""
SMALL = """
networks: {lan: {subnet: 10.0.0.0/24, mtu: 1000}}
nodes:
  client:
  dns: {services: {dns: {zones: {lab.test: {www: 192.0.2.81}}}}}
  other:
"""


def test_applied_is_as_started() -> None:
    """A lab that was brought to a topology shows in every node what one started from it shows."""
    fresh = []
    for text in (WEB, GROWN, TURNED, SMALL):
        with started(text) as running:
            fresh.append(looks(running))
            assert all(len(fresh[-1][node]) > 500 for node in running.nodes)
    with started(WEB) as running:
        for text, expected in zip((GROWN, TURNED, SMALL, WEB), (*fresh[1:], fresh[0]), strict=True):
            assert running.apply(plan(text))
            assert looks(running) == expected


SWITCHED = """
networks: {{lan: 10.0.0.0/24, far: {{subnet: 10.1.0.0/24, subnet6: auto}}}}
nodes:
  p: {{interfaces: {{lan: , far: }}}}
  r: {{interfaces: {{lan: , far: }}, router: {router}, sysctls: {{{sysctls}}}}}
{more}
"""
ALL, ONE = "net.ipv4.conf.all.forwarding: {}", "net.ipv4.conf.eth0.forwarding: {}"
FORWARD = "net.ipv4.ip_forward: {}"
# A router or not, and what the file says of forwarding.
SWITCHES = [
    ("true", ALL.format(1)),
    ("true", ""),
    ("false", ALL.format(1)),
    ("true", ONE.format(0)),
    ("false", ONE.format(0)),
    ("false", ""),
    ("false", f"{ONE.format(1)}, {ALL.format(0)}"),
    ("true", f"{ONE.format(0)}, {FORWARD.format(1)}"),
    ("true", f"{ONE.format(1)}, {FORWARD.format(0)}"),
    ("false", "net.ipv6.conf.all.forwarding: 1, net.ipv6.conf.eth1.forwarding: 0"),
    ("false", "net.ipv4.conf.all.ignore_routes_with_linkdown: 1"),
]


def forwarding(lab: Lab) -> list[str]:
    """Return the parameters of the node r."""
    return [line for line in look(lab, "r") if line.startswith("/proc/sys")]


def test_what_sets_others() -> None:
    """Parameters that set others, given, changed and taken back, end as in a lab that starts with them.

    Where a later step fails, all of them are what they were.
    """
    texts = [SWITCHED.format(router=router, sysctls=words, more="") for router, words in SWITCHES]
    fresh = []
    for text in texts:
        with started(text) as lab:
            fresh.append(forwarding(lab))
    failing = "  x: {interfaces: {far: }, start: [[sh, -c, 'exit 3']]}"
    with started(texts[-1]) as lab:
        for at in [*range(len(texts)), *range(0, len(texts), 2), *range(len(texts) - 1, -1, -3)]:
            before = forwarding(lab)
            router, words = SWITCHES[at]
            with pytest.raises(ServiceError, match="nothing was changed"):
                lab.apply(plan(SWITCHED.format(router=router, sysctls=words, more=failing)))
            assert forwarding(lab) == before
            lab.apply(plan(texts[at]))
            assert forwarding(lab) == fresh[at], SWITCHES[at]


def test_files_that_come_and_go_leave_nothing_open() -> None:
    """The supervisor holds no more descriptors after many changes than after the first."""
    texts = [f"nodes: {{a: {{files: {{/srv/{name}: x}}}}, b: }}" for name in ("foo", "bar")]
    with started(texts[0]) as lab:
        opened = Path(f"/proc/{init_of(os.getpid())}/fd")
        held = 0
        for at in range(1, 11):
            assert out(lab, "a", "cat /srv/foo /srv/bar 2>/dev/null || true") == "x"
            assert lab.apply(plan(texts[at % 2]))
            held = held or len(list(opened.iterdir()))
        # A connection of ours that has just been left may still be among them.
        assert wait_for(lambda: len(list(opened.iterdir())) <= held)


# -- touching only what differs ----------------------------------------------------------------------------

ECHO = """
import socket
listening = socket.create_server(("", 7))
print("ready", flush=True)
connection, _ = listening.accept()
while data := connection.recv(100):
    connection.sendall(data)
"""
HOLD = """
import socket, sys
connection = socket.create_connection(("{}", 7))
for line in sys.stdin:
    connection.sendall(line.encode())
    print(connection.recv(100).decode(), end="", flush=True)
"""


class Held:
    """A TCP connection between two nodes that is held over changes."""

    def __init__(self, lab: Lab, ends: tuple[str, str], address: str, stack: contextlib.ExitStack) -> None:
        self._said = self._python(lab, ends[1], ECHO, stack)[1]
        assert self._said.readline() == b"ready\n"
        self._feed, self._told = self._python(lab, ends[0], HOLD.format(address), stack)
        self.count = 0

    @staticmethod
    def _python(running: Lab, node: str, program: str, stack: contextlib.ExitStack):
        (source, feed), (drain, sink) = os.pipe(), os.pipe()
        command = running.launch(node, ["python3", "-c", program], stdio=(source, sink, 2))
        stack.callback(command.close)
        os.close(source)
        os.close(sink)
        files = os.fdopen(feed, "wb", buffering=0), os.fdopen(drain, "rb")
        for file in files:
            stack.callback(file.close)
        return files

    def assert_alive(self) -> None:
        """Fail unless what is sent over it comes back."""
        self.count += 1
        self._feed.write(b"%d\n" % self.count)
        assert self._told.readline() == b"%d\n" % self.count


BUSY = """
resolver: none
networks: {{lan: {{subnet: 10.0.0.0/24, subnet6: "fd00::/64"{mtu}}}}}
nodes:
  client: {{interfaces: {{lan: {client}}}, environment: {{COLOUR: {colour}}}}}
  dns: {{interfaces: {{lan: 10.0.0.53}}, services: {{dns: {{zones: {{lab.test: {{www: {www}}}}}}}}}}}
  web: {{interfaces: {{lan: 10.0.0.80}}, services: {{http: {{content: {content}}}}}, firewall: [{rules}]}}
  one: {{interfaces: {{lan: 10.0.0.101}}}}
  two: {{interfaces: {{lan: 10.0.0.102}}}}
{more}
"""
BASE = {
    "mtu": "",
    "client": "{address: 10.0.0.10, address6: 'fd00::10'}",
    "www": "10.0.0.80",
    "content": "www",
    "rules": "{protocol: tcp, port: 80, verdict: accept, name: pages}",
    "more": "",
    "colour": "red",
}


def busy(**different: str) -> str:
    """Write the topology of two nodes that talk, and others that change."""
    return BUSY.format(**BASE | different)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Give a lab of `busy`, which every test leaves as it found it."""
    with started(busy()) as running:
        yield running


@pytest.fixture
def held(lab: Lab) -> Iterator[Held]:
    """Give a connection between two nodes that no change names, which is alive at the end, too."""
    with contextlib.ExitStack() as stack:
        made = Held(lab, ("one", "two"), "10.0.0.102", stack)
        made.assert_alive()
        yield made
        assert lab.apply(plan(busy())) or True
        made.assert_alive()


def service_pids(lab: Lab) -> dict[str, str]:
    """Return the process of each service, as the lab's PID 1 has it, by its node."""
    line = (
        "own=$(readlink /proc/self/ns/net); for each in /proc/[0-9]*; do "
        '[ "$(readlink $each/ns/net)" = "$own" ] && [ "$(cut -d" " -f4 $each/stat)" = 1 ] '
        "&& [ ${each#/proc/} != $$ ] && echo ${each#/proc/}; done; true"
    )
    return {node: out(lab, node, line) for node in ("dns", "web")}


def changes(lab: Lab, **different: str) -> list[str]:
    """Apply a variation, and return what it changed in words."""
    return [str(change) for change in lab.apply(plan(busy(**different)))]


def test_an_address(lab: Lab, held: Held) -> None:
    """The node answers at the new address and not at the old one, in both versions of IP; names follow."""
    pids = service_pids(lab)
    assert out(lab, "web", PING + "10.0.0.10")
    assert changes(lab, client="{address: 10.0.0.11, address6: 'fd00::11'}") == [
        "client: address 10.0.0.10/24 → 10.0.0.11/24",
        "client: IPv6 address fd00::10/64 → fd00::11/64",
    ]
    assert fails(lab, "web", VAIN + "10.0.0.10")
    assert "10.0.0.11" in out(lab, "web", PING + "-4 client")
    assert "fd00::11" in out(lab, "web", PING + "-6 fd00::11")
    assert lab.info["nodes"]["client"]["addresses"] == ["10.0.0.11/24", "fd00::11/64"]
    assert service_pids(lab) == pids
    held.assert_alive()
    # A node that takes over another one's address is found there at once.
    taken = {"client": "{address: 10.0.0.12}", "more": "  three: {interfaces: {lan: 10.0.0.11}}"}
    assert "node three added" in changes(lab, **taken)
    assert out(lab, "web", PING + "10.0.0.11")
    assert out(lab, "web", PING + "three")


def test_an_mtu(lab: Lab, held: Held) -> None:
    """Both ends of every cable have it at once, and connections go on."""
    full = "-4 -M do -s 1472 web"
    assert out(lab, "client", PING + full)
    assert changes(lab, mtu=", mtu: 1400") == ["lan: mtu 1500 → 1400"]
    assert fails(lab, "client", VAIN + full)
    assert out(lab, "client", PING + full.replace("1472", "1372"))
    held.assert_alive()


def test_a_link(lab: Lab) -> None:
    """A link goes down and comes up with its addresses and routes."""
    down = "{address: 10.0.0.10, address6: 'fd00::10', up: false}"
    assert changes(lab, client=down) == ["client: link up → down"]
    assert fails(lab, "web", VAIN + "10.0.0.10")
    assert fails(lab, "web", VAIN + "fd00::10")
    assert [str(change) for change in lab.apply(plan(busy()))] == ["client: link down → up"]
    assert out(lab, "client", PING + "10.0.0.80; " + PING + "fd00::10")
    assert out(lab, "web", PING + "10.0.0.10 && " + PING + "fd00::10")


def counted(lab: Lab, rule: str) -> int:
    """Return how many packets a rule of web's has matched."""
    listed = json.loads(out(lab, "web", "nft -j list table inet netlab"))["nftables"]
    found = [each["rule"] for each in listed if each.get("rule", {}).get("comment") == rule]
    return sum(part["counter"]["packets"] for part in found[0]["expr"] if "counter" in part)


def test_rules(lab: Lab, held: Held) -> None:
    """A rule holds from the moment of the change; those that stay, wherever, keep what they have counted."""
    page = "curl -s -m 2 -o /dev/null http://10.0.0.80/hello.txt"
    out(lab, "client", page)
    before = counted(lab, "pages")
    assert before > 0
    drop = "{protocol: tcp, port: 81, verdict: drop, name: no-81}"
    refuse = "{protocol: tcp, port: 82, verdict: reject}"
    rules = f"{drop}, {BASE['rules']}, {refuse}"
    assert changes(lab, rules=rules) == ["web: rule no-81 added", "web: rule reject-tcp-82 added"]
    assert counted(lab, "pages") == before
    assert lab.output("client", ["curl", "-s", "-m", "0.3", "http://10.0.0.80:81/"]).returncode == 28
    names = [line.split('"')[1] for line in out(lab, "web", "nft list ruleset").splitlines() if '"' in line]
    assert names == ["no-81", "pages", "reject-tcp-82"]
    closed = "{protocol: tcp, port: 80, verdict: drop, name: pages}"
    assert changes(lab, rules=closed) == [
        "web: rule no-81 removed",
        "web: rule pages changed",
        "web: rule reject-tcp-82 removed",
    ]
    assert fails(lab, "client", page.replace("-m 2", "-m 0.3"))
    held.assert_alive()
    # By hand, somebody has changed what netlab would change: that is not guessed at.
    out(lab, "web", "nft flush chain inet netlab input")
    with pytest.raises(LabError, match="somebody changed them by hand"):
        changes(lab)
    out(lab, "web", 'nft add rule inet netlab input tcp dport 80 counter drop comment \\"pages\\"')
    changes(lab)
    assert out(lab, "client", page) == ""


def test_services(lab: Lab, held: Held) -> None:
    """A zone's change restarts the server of that zone; what else runs keeps its process."""
    ask = "dig +short @10.0.0.53 www.lab.test"
    pids = service_pids(lab)
    assert out(lab, "client", ask) == "10.0.0.80\n"
    assert changes(lab, www="10.0.0.102", colour="blue") == [
        "client: environment COLOUR red → blue (for what starts from now on)",
        "dns: service dns restarted (zone lab.test changed)",
    ]
    assert out(lab, "client", ask) == "10.0.0.102\n"
    assert out(lab, "client", "echo $COLOUR") == "blue\n"
    after = service_pids(lab)
    assert after["web"] == pids["web"]
    assert after["dns"] != pids["dns"]
    (change,) = changes(lab, content=".", www="10.0.0.102", colour="blue")
    assert change.startswith("web: service http restarted (content ")
    assert out(lab, "client", "curl -s http://web/www/hello.txt").startswith("Hello")
    assert service_pids(lab)["dns"] == after["dns"]
    held.assert_alive()


def test_nodes_come_and_go(lab: Lab, held: Held) -> None:
    """A new node has its services and names everywhere; when it goes, all that runs there ends, as 137."""
    new = "  three: {interfaces: {lan: 10.0.0.103}, services: {http: {content: www}}}"
    assert changes(lab, more=new) == ["node three added"]
    assert out(lab, "client", "curl -s http://three/hello.txt").startswith("Hello")
    assert "three" in lab.nodes
    token = make_token()
    left = ["sh", "-c", f"setsid unshare -nmu sleep {token} & sleep {token}"]
    running = lab.launch("three", left, environment=dict(os.environ))
    script = lab.launch("three", [str(Path(__file__).parent / "sleeper.py"), token], stdio=(0, 1, 2))
    following = lab.logs("three", 1, follow=True)
    # A shell that the command forked, what it left behind, and the script: found by their arguments.
    assert wait_for(lambda: len(marked(token)) >= 3)
    # What goes is out of the network before what comes starts.
    alone = "  four: {interfaces: {lan: 10.0.0.104}, start: [[sh, -c, '! ping -c 1 -W 1 10.0.0.103']]}"
    assert changes(lab, more=alone) == ["node three removed", "node four added"]
    assert running.wait(10) == 137
    assert script.wait(10) == 137
    assert following.wait(10) == 0
    assert wait_for(lambda: not marked(token), 2), marked(token)
    with pytest.raises(UsageError, match="no node 'three'"):
        lab.run("three", ["true"])
    assert fails(lab, "client", VAIN + "10.0.0.103")
    assert "three" not in out(lab, "client", "cat /etc/hosts")
    held.assert_alive()
    running.close()
    script.close()
    following.close()


# -- routers -----------------------------------------------------------------------------------------------

ROUTED = """
networks: {{inside: {{subnet: 10.0.0.0/24, subnet6: auto}}, outside: {{subnet: 192.0.2.0/24, subnet6: auto}}}}
nodes:
  pc: {{interfaces: {{inside: 10.0.0.7}}{pc}}}
  r: {{interfaces: {{inside: 10.0.0.1, outside: 192.0.2.1}}, router: {router}{r}}}
  web: {{interfaces: {{outside: 192.0.2.80}}, services: {{http: {{content: www}}}}, default: {default}}}
"""
NFT = 'nft: "table ip mine {{ chain in {{ type filter hook {} priority 10; counter; }}; }}"'


def routed(*, pc: str = "", r: str = "", router: str = "true", default: str = "r") -> str:
    """Write the topology of two networks with a router between them."""
    return ROUTED.format(pc=pc, r=r, router=router, default=default)


def apart(table: str) -> tuple[str, int]:
    """Take a table's one count of packets out of it."""
    (packets,) = re.findall(r"packets (\d+)", table)
    return re.sub(r"packets \d+ bytes \d+", "", table), int(packets)


def test_a_router() -> None:
    """Forwarding, routes, translation and nft's own rules change, in IPv4 and IPv6."""
    page = "curl -s -m 2 http://192.0.2.80/hello.txt"
    with started(routed()) as lab:
        assert out(lab, "pc", page)
        to6 = next(one for one in lab.info["nodes"]["web"]["addresses"] if ":" in one).split("/")[0]
        assert out(lab, "pc", PING + to6)
        lab.apply(plan(routed(default="none")))
        assert fails(lab, "pc", page.replace("-m 2", "-m 0.3"))
        assert fails(lab, "pc", VAIN + to6)
        # Who is translated needs no way back; the server sees the router.
        nat = ", nat: {masquerade: outside, forward: {8080: pc}}"
        told = [str(change) for change in lab.apply(plan(routed(default="none", r=nat)))]
        assert told == ["r: rule forward-tcp-8080 added", "r: rule masquerade-outside added"]
        assert out(lab, "pc", page)
        assert [str(change) for change in lab.apply(plan(routed(router="false", default="none")))][:1] == [
            "pc: route 192.0.2.0/24 removed (via 10.0.0.1 dev eth0)"
        ]
        assert fails(lab, "pc", page)
        raw = ", " + NFT.format("forward")
        lab.apply(plan(routed(r=raw)))
        assert out(lab, "pc", page)
        count = "nft list table ip mine"
        assert "packets 0" not in out(lab, "r", count)
        seen = apart(out(lab, "r", count))
        with pytest.raises(InputError, match=r"nft refuses it.*nothing was changed"):
            lab.apply(plan(routed(r=', nft: "table ip mine { chain in { broken"')))
        # A connection's last segments may come in between.
        assert apart(out(lab, "r", count)) >= seen
        lab.apply(plan(routed(r=", " + NFT.format("input"))))
        assert "hook input" in out(lab, "r", "nft list ruleset")
        assert "hook forward" not in out(lab, "r", "nft list ruleset")
        lab.apply(plan(routed()))
        assert out(lab, "r", "nft list ruleset") == ""


# -- all or nothing ----------------------------------------------------------------------------------------

ELSEWHERE = """
networks: {lan: {subnet: 10.0.0.0/24, subnet6: auto, mtu: 1400}, far: {subnet: 10.1.0.0/24, kind: hub}}
nodes:
  client: {interfaces: {far: , lan: {address: 10.0.0.11, up: false}}, sysctls: {net.ipv4.ip_default_ttl: 9}}
  dns: {interfaces: {lan: 10.0.0.54, far: }, router: true, services: {dns: {zones: {a.test: {}}}}}
  web:
    interfaces: {lan: {address: 10.0.0.81, mac: "02:00:00:00:00:08"}}
    services: {http: {content: ., port: HTTP}}
    firewall: [{protocol: tcp, port: 80, verdict: drop}]
    nft: "table ip x { chain in { type filter hook input priority 10; counter; }; }"
    files: {/etc/motd: "other\\n", /srv/given: "1"}
  extra: {interfaces: {far: }, start: [[sh, -c, "setsid sleep 300 & exit STATUS"]]WHAT}
"""
BEFORE = """
nodes:
  client: {address: 10.0.0.10, firewall: [hold-back-rst]}
  dns: {address: 10.0.0.53, services: {dns: {zones: {lab.test: {www: 10.0.0.80}}}}}
  web: {address: 10.0.0.80, services: {http: {content: www}}, files: {/etc/motd: "first\\n"}}
  old: {address: 10.0.0.90}
"""


def elsewhere(*, port: int = 81, status: int = 0, what: str = "") -> str:
    """Write a topology in which nearly all differs from BEFORE."""
    return ELSEWHERE.replace("HTTP", str(port)).replace("STATUS", str(status)).replace("WHAT", what)


BROKEN: list[tuple[str, type[NetlabError], str]] = [
    (elsewhere(status=3), ServiceError, r"start-up command 1 of node extra .* ended with status 3"),
    (elsewhere(port=7), ServiceError, r"service http of node web ended before it was ready"),
    (
        elsewhere(what=", sysctls: {net.ipv4.no_such_thing: 1}"),
        MachineError,
        "node extra added' failed: this kernel has no net.ipv4.no_such_thing",
    ),
    (elsewhere(what=', nft: "table ip x { broken"'), InputError, "nft refuses it"),
    (elsewhere(what=", files: {/no-such-place/x: y}"), LabError, "a lab adds nothing to the root"),
]


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    """Whatever step it is that fails, every node, service and packet is as it was, and the error says so."""
    with started(BEFORE, tmp_path) as lab, contextlib.ExitStack() as stack:
        Held(lab, ("client", "web"), "10.0.0.80", stack).assert_alive()  # web's port 7 is taken
        before, info = looks(lab), lab.info
        assert "first" in before["web"]
        for text, kind, words in BROKEN:
            with pytest.raises(kind, match=words) as raised:
                lab.apply(plan(text))
            assert "nothing was changed" in str(raised.value)
            assert looks(lab) == before
            assert lab.info == info
            assert out(lab, "client", "dig +short www.lab.test") == "10.0.0.80\n"
            assert out(lab, "client", "curl -s http://web/hello.txt").startswith("Hello")
            assert out(lab, "old", PING + "client")
        assert lab.apply(plan(elsewhere()))
        assert out(lab, "extra", PING + "client")
        lab.finish()
    names = {name for frame in read_capture(tmp_path / "capture.pcapng").frames for name in [frame.interface]}
    assert "extra" in names


def test_what_takes_a_new_start(tmp_path: Path) -> None:
    """It is said, all of it, before anything is touched; a dry run tells and changes nothing."""
    with started(WEB) as lab:
        before = looks(lab)
        other = "name: other\nbackend: docker\n" + WEB.replace("client: {", "client: {start: [[true]], ")
        with pytest.raises(UsageError) as raised:
            lab.apply(plan(other, seed=7))
        for word in (
            "name lab → other",
            "seed 2012 → 7",
            "backend netns → docker",
            "client: start-up commands",
        ):
            assert word in str(raised.value)
        with pytest.raises(LabError, match=f"does not see {tmp_path}"):
            lab.apply(plan(WEB.replace("content: www", f"content: {tmp_path}")))
        assert lab.apply(plan(GROWN), dry=True)
        (change,) = lab.apply(plan("captures: {all: {}}\n" + WEB), dry=True)
        assert str(change) == "capture all added (not recorded: the lab was started without --out DIR)"
        assert not lab.apply(plan(WEB))
        assert looks(lab) == before


def test_two_at_once() -> None:
    """Both are done, one after the other, whole."""
    with started(WEB) as lab:
        texts = (GROWN, SMALL)
        made: list[object] = []
        threads = [
            threading.Thread(target=lambda text=text: made.append(lab.apply(plan(text)))) for text in texts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 2
        end = [not lab.apply(plan(text), dry=True) for text in texts]
        assert sorted(end) == [False, True]
        (text,) = [text for text, reached in zip(texts, end, strict=True) if reached]
        with started(text) as fresh:
            assert looks(lab) == looks(fresh)


def test_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab whose plans are made of other things says so, and one that does not know the word."""
    with started(WEB) as lab:
        with pytest.raises(LabError, match="another version of netlab started it"):
            lab._session._ask("dance")  # type: ignore[attr-defined]
        monkeypatch.setattr(parcel, "language", lambda: "another")
        with pytest.raises(LabError, match="started by another version of netlab — end it"):
            lab.apply(plan(SMALL))
        assert lab.run("client", ["true"]) == 0


TABLES = """
nodes:
  web: {{address: 10.0.0.80, firewall: [hold-back-rst]{nft}}}
  other: {{address: 10.0.0.81}}
"""


def test_tables_of_nft_are_those_that_nft_has_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the text is like: all of its tables go with it, and a word in a remark stands in none."""
    monkeypatch.chdir(tmp_path)  # which a lab sees
    one = tmp_path / "one.nft"
    one.write_text("table \\\n ip x { chain in { type filter hook input priority 0; drop; }; }\n")
    including = f", nft: 'include \"{one}\"'"
    remark = ', nft: "table ip y { }  # ; table inet netlab"'
    mingling = ', nft: "add chain inet netlab mine"'
    with started(TABLES.format(nft=including)) as lab:
        assert fails(lab, "other", VAIN + "web")
        lab.apply(plan(TABLES.format(nft="")))
        assert out(lab, "other", PING + "web")
        lab.apply(plan(TABLES.format(nft=including)))
        assert fails(lab, "other", VAIN + "web")
        lab.apply(plan(TABLES.format(nft=remark)))
        before = look(lab, "web")
        assert out(lab, "web", "nft list tables") == "table inet netlab\ntable ip y\n"
        with pytest.raises(UsageError, match=r"nft rules of web change a table .*nothing was changed"):
            lab.apply(plan(TABLES.format(nft=mingling)))
        assert look(lab, "web") == before
        lab.apply(plan(TABLES.format(nft="").replace("hold-back-rst", "")))
        assert out(lab, "web", "nft list tables") == ""


# -- the record --------------------------------------------------------------------------------------------


def test_the_record_follows(tmp_path: Path) -> None:
    """Nodes that come are recorded from their first packet, captures that come from theirs; none is lost."""
    new = WEB + "  three: {address: 10.0.0.103}\n"
    chosen = "captures: {threes: {filter: {host: three, protocol: icmp}}}\n"
    with started(WEB, tmp_path) as lab:
        out(lab, "client", PING + "web")
        lab.apply(plan(new))
        out(lab, "three", PING + "client")
        lab.apply(plan(chosen + new))
        out(lab, "three", PING + "web")
        lab.apply(plan(WEB))
        out(lab, "client", PING + "web")
        lab.apply(plan(chosen + new))
        out(lab, "three", PING + "dns")
        (tmp_path / "mine.pcapng").write_text("precious")
        with pytest.raises(MachineError, match=r"mine.pcapng: File exists.*nothing was changed"):
            lab.apply(plan("captures: {fresh: {}, mine: {}}\n" + new))
        assert not (tmp_path / "fresh.pcapng").exists()
        lab.finish()
    assert (tmp_path / "mine.pcapng").read_text() == "precious"
    whole, threes = (read_capture(tmp_path / f"{name}.pcapng") for name in ("capture", "threes"))
    assert not whole.truncated
    assert not threes.truncated
    assert whole.dropped == threes.dropped == 0
    pings = [frame for frame in whole.frames if isinstance(dissect(frame.data).transport, Icmp)]
    assert [frame.interface for frame in pings] == [
        name
        for pair in (
            ("client", "web"),
            ("three", "client"),
            ("three", "web"),
            ("client", "web"),
            ("three", "dns"),
        )
        for name in pair
    ]
    assert [frame.data for frame in threes.frames] == [pings[at].data for at in (4, 5, 8, 9)]
    assert "three" in whole.names.values()
    descriptions = [one.description for one in whole.interfaces]
    assert len(descriptions) == len(set(descriptions)) == 4
