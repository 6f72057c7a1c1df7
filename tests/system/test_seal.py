"""Nothing leaves a lab, and nothing of the host is reached from it: by route, packet, socket or file.

What concerns packets holds with every backend; what concerns files and processes of containers is in
`test_docker_seal`.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netlab import lab, topology
from netlab.lab import Lab
from netlab.lab.record import claim
from netlab.plan import make_plan
from tests.system import containers, harness

pytestmark = harness.requires("curl", "dig", "hostname", "ip", "nsenter", "ping")

# RFC 5737 and RFC 3849 keep these for documentation; the last two are the host's own habits.
OUTSIDE = ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "8.8.8.8", "172.17.0.1")
PLACES = ("client", "dns", "web", "fabric")
BACKENDS = ("netns", "docker")
TO_FABRIC = ("nsenter", "--net=/proc/1/ns/net", "--")


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Give a backend that the machine has all for."""
    if request.param == "docker":
        request.getfixturevalue("engine")
    return str(request.param)


@pytest.fixture(scope="module")
def web(backend: str) -> Iterator[Lab]:
    """Give the shipped lab, by each backend."""
    with lab.start(replace(harness.web_plan(), backend=backend)) as running:
        yield running


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Lab]:
    """Give the shipped lab in a sandbox of this machine."""
    with lab.start(harness.web_plan()) as running:
        yield running


def inside(running: Lab, place: str, argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a node, or in the network of the lab's switches."""
    if place != "fabric":
        return running.output(place, argv)
    if running.shares_machine:
        return running.output("client", [*TO_FABRIC, *argv])
    return containers.in_fabric(running, argv)


def tell(running: Lab, place: str, code: str, *arguments: str) -> Any:
    """Run Python there and return what it assigned to `said`."""
    program = f"import json, os, socket, sys\n{code}\nprint(json.dumps(said))"
    python = sys.executable if running.shares_machine else "python3"
    done = inside(running, place, [python, "-c", program, *arguments])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def shell(running: Lab, place: str, line: str) -> tuple[int, str]:
    """Run a shell's line there; return its status, and both its outputs."""
    done = inside(running, place, ["sh", "-c", line])
    return done.returncode, done.stdout + done.stderr


# -- packets -------------------------------------------------------------------------------------------

ATTEMPT = """
import time
said = {}
for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind, act in ((socket.SOCK_DGRAM, "sendto"), (socket.SOCK_STREAM, "connect")):
        sock = socket.socket(family, kind)
        sock.settimeout(5)
        started = time.monotonic()
        try:
            sock.sendto(b"x", (address, 53)) if act == "sendto" else sock.connect((address, 80))
            said[f"{address} {act}"] = "went through"
        except OSError as error:
            said[f"{address} {act}"] = error.errno if time.monotonic() - started < 4 else "slow"
"""


@pytest.mark.parametrize("place", PLACES)
def test_no_address_outside_is_reachable(web: Lab, place: str) -> None:
    """A datagram and a connection to any address outside fail at once: there is no route."""
    said = tell(web, place, ATTEMPT, *OUTSIDE)
    assert len(said) == 2 * len(OUTSIDE)
    # In the fabric not even the loopback has an IPv6 address to send from, and none of a container has.
    no_source = {errno.EADDRNOTAVAIL} if place == "fabric" or not web.shares_machine else set()
    assert set(said.values()) - no_source == {errno.ENETUNREACH}, said


@pytest.mark.parametrize("place", PLACES)
def test_there_is_no_default_route(web: Lab, place: str) -> None:
    """The routing tables have no way out, and the kernel, asked for one, says so."""
    status, routes = shell(web, place, "ip -4 route show table all; ip -6 route show table all")
    assert status == 0
    assert "default" not in routes
    assert ("10.0.0.0/24 dev eth0" in routes) == (place != "fabric"), (
        "the test must see routes that are there"
    )
    for address in OUTSIDE:
        assert shell(web, place, f"ip route get {address}")[0] != 0, address


@pytest.mark.parametrize("place", PLACES)
def test_the_interfaces_are_the_labs(web: Lab, place: str) -> None:
    """No interface of the host is there, and none that leads anywhere but to a node."""
    _, text = shell(web, place, "ip -json link")
    names = {link["ifname"] for link in json.loads(text)}
    known = {"lo", "br-lan", *(port.port for port in harness.web_plan().ports)}
    # The kernel may give every namespace the (unset) ends of tunnels whose modules are loaded.
    silent = {link["ifname"] for link in json.loads(text) if "UP" not in link["flags"]}
    assert names - silent - {"lo"} == ({"eth0"} if place != "fabric" else known - {"lo"})


def test_the_hosts_loopback_is_not_reachable(web: Lab) -> None:
    """A server on the host's 127.0.0.1 and ::1 is not there on the lab's."""
    code = """
said = []
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    sock = socket.socket(family)
    sock.settimeout(0.5)
    said.append(sock.connect_ex((address, int(sys.argv[1]))))
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            pass  # the test can fail: the server is there
        for place in PLACES:
            said = tell(web, place, code, str(port))
            # The client holds its RSTs back: there, nothing answers.
            refused = {errno.ECONNREFUSED, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAGAIN}
            assert len(said) == 2, place
            assert set(said) <= refused, place


def test_abstract_sockets_of_the_host_are_not_reachable(web: Lab) -> None:
    """Abstract Unix sockets belong to a network namespace: X11's, D-Bus's, other labs' are out of reach."""
    name = f"netlab-test-{os.getpid()}"
    code = 'said = socket.socket(socket.AF_UNIX).connect_ex("\\0" + sys.argv[1])'
    with closing(socket.socket(socket.AF_UNIX)) as server, closing(socket.socket(socket.AF_UNIX)) as client:
        server.bind("\0" + name)
        server.listen()
        assert client.connect_ex("\0" + name) == 0
        for place in PLACES:
            assert tell(web, place, code, name) == errno.ECONNREFUSED, place


UNUSUAL = """
name: unusual
seed: 77003
networks: {lan: 198.18.77.0/24}
nodes:
  client: {address: 198.18.77.10}
  dns: {address: 198.18.77.53, services: {dns: {zones: {lab.test: {www: 198.18.77.80}}}}}
  web: {address: 198.18.77.80}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may capture on the host's own interfaces")
def test_the_hosts_interfaces_carry_nothing_of_a_lab(tmp_path: Path) -> None:
    """A capture on all of the host's interfaces during a run holds no packet with a lab's address or MAC."""
    file = tmp_path / "unusual.yaml"
    file.write_text(UNUSUAL)
    plan = make_plan(topology.load(file))
    known = [bytes.fromhex(mac.replace(":", "")) for port in plan.ports for mac in (port.mac, port.port_mac)]
    known += [ipaddress.ip_address("198.18.77.0").packed[:3]]
    control = os.urandom(8)
    with closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))) as sniffer:
        sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        with lab.start(plan, record=claim(tmp_path / "out", "unusual")) as running:
            for target in ("dns", "web", "192.0.2.1", "255.255.255.255 -b"):
                running.output("client", ["sh", "-c", f"ping -c1 -W1 {target}"])
            assert "198.18.77.80" in running.output("client", ["dig", "+short", "www.lab.test"]).stdout
            running.finish()
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            sender.sendto(control, ("127.0.0.1", 9))
        frames = []
        sniffer.settimeout(5)
        while not any(control in frame for frame in frames):
            frames.append(sniffer.recv(1 << 16))
    # The harness's own report of this test may travel on the loopback; heads are what is compared.
    assert not [frame.hex() for frame in frames if any(each in frame[:42] for each in known)]


# -- files ---------------------------------------------------------------------------------------------

WRITE = """
said = {}
for place in sys.argv[1:]:
    try:
        path = os.path.join(place, "netlab-test-write")
        open(path, "w").close()
        os.unlink(path)
        said[place] = 0
    except OSError as error:
        said[place] = error.errno
"""


@pytest.mark.parametrize("place", ["client", "web"])
def test_the_file_system_is_read_only(sandbox: Lab, place: str) -> None:
    """Only the private directories take a file; everywhere else, also one's own home, it is EROFS."""
    allowed = ["/tmp", "/run", "/var/tmp", "/dev/shm"]
    refused = ["/", "/etc", "/usr/bin", "/var/log", "/home", "/sys", str(Path.home()), str(harness.ROOT)]
    refused = [directory for directory in refused if Path(directory).is_dir()]
    said = tell(sandbox, place, WRITE, *allowed, *refused)
    assert {directory: said[directory] for directory in allowed} == dict.fromkeys(allowed, 0)
    assert {directory: said[directory] for directory in refused} == dict.fromkeys(refused, errno.EROFS)


def test_the_record_is_the_only_place_to_write(tmp_path: Path) -> None:
    """A run may write into its record, though it lies under /tmp; what lies beside it is not even seen."""
    beside = tmp_path / "beside"
    beside.mkdir()
    record = claim(tmp_path / "out", "web")
    with lab.start(harness.web_plan(), record=record) as running:
        said = tell(running, "client", WRITE, str(record.path), str(beside))
        assert said == {str(record.path): 0, str(beside): errno.ENOENT}
        shell(running, "client", f"echo of the lab > {record.path}/note")
    assert (record.path / "note").read_text() == "of the lab\n"


@pytest.mark.parametrize("directory", ["/tmp", "/run", "/var/tmp", "/dev/shm"])
def test_private_directories_are_private(sandbox: Lab, directory: str) -> None:
    """What the host has there is not seen inside, and what is made inside is not seen outside."""
    code = """
import tempfile
with tempfile.NamedTemporaryFile(dir=sys.argv[1], prefix="inside", delete=False): pass
said = sorted(os.listdir(sys.argv[1]))
"""
    outside = None
    if os.access(directory, os.W_OK):
        outside = tempfile.NamedTemporaryFile(dir=directory, prefix="outside")  # noqa: SIM115 — may be absent
    try:
        before = set(os.listdir(directory))  # noqa: PTH208 — names are wanted
        inside = set(tell(sandbox, "client", code, directory))
        made = {name for name in inside if name.startswith("inside")}
        assert made
        assert not made & set(os.listdir(directory))  # noqa: PTH208
        # Mount points of the working directory and of Python may have the host's names.
        visible = {
            Path(path).parts[len(Path(directory).parts)] for path in _visible() if _below(path, directory)
        }
        assert not (inside & before) - visible - {"netlab", "mount", "systemd", "resolvconf"}
        assert not any(name.startswith("outside") for name in inside)
    finally:
        if outside is not None:
            outside.close()


def _visible() -> list[str]:
    return [str(Path.cwd()), sys.prefix, sys.base_prefix, str(harness.ROOT)]


def _below(path: str, directory: str) -> bool:
    return Path(path).is_relative_to(directory) and path != directory


def test_devices_are_the_harmless_ones(web: Lab) -> None:
    """No disk, no memory, no terminal of the host is in /dev; what programs expect is, and works."""
    code = """
import stat
said = {}
for entry in os.scandir("/dev"):
    mode = entry.stat().st_mode
    said[entry.name] = "block" if stat.S_ISBLK(mode) else "character" if stat.S_ISCHR(mode) else "other"
"""
    kinds = tell(web, "client", code)
    assert "block" not in kinds.values()
    characters = {name for name, kind in kinds.items() if kind == "character"}
    assert characters <= {"null", "zero", "full", "random", "urandom", "tty", "ptmx"} | {
        "stdin",
        "stdout",
        "stderr",
    }
    line = "head -c 8 /dev/urandom | wc -c; echo x > /dev/null; echo err > /dev/stderr"
    assert shell(web, "client", line) == (0, "8\nerr\n")


def test_no_device_can_be_made(web: Lab) -> None:
    """A block device made inside, even by root's lab, is refused by the kernel."""
    assert shell(web, "client", "mknod /tmp/disk b 254 0 && cat /tmp/disk")[0] != 0


def test_only_the_labs_processes_are_seen(sandbox: Lab) -> None:
    """PID 1 is the supervisor; no process of the host, this test included, is in proc, or can be killed."""
    code = """
said = {int(pid): open(f"/proc/{pid}/comm").read().strip() for pid in os.listdir("/proc") if pid.isdigit()}
"""
    said = tell(sandbox, "client", code)
    assert said["1"] == "netlab-init"
    assert len(said) <= 8
    assert os.getpid() > 64, "the test must have a pid that the lab has not"
    assert shell(sandbox, "client", f"kill -0 {os.getpid()}")[0] != 0


@pytest.mark.parametrize(
    "path", ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness", "/proc/sysrq-trigger"]
)
def test_the_machines_parameters_are_read_only(web: Lab, path: str) -> None:
    """What is the whole machine's, a lab does not change, root's neither; opened, and never written to."""
    if not Path(path).exists():
        pytest.skip(f"this kernel has no {path}")
    code = """
try:
    os.close(os.open(sys.argv[1], os.O_WRONLY))
    said = 0
except OSError as error:
    said = error.errno
"""
    assert tell(web, "client", code, path) in (errno.EROFS, errno.EACCES)


def test_network_parameters_are_each_nodes_own(sandbox: Lab) -> None:
    """A parameter of the network is set in one node, and neither the next node nor the host has it."""
    key = "/proc/sys/net/ipv4/ip_default_ttl"
    before = Path(key).read_text()
    assert shell(sandbox, "client", f"echo 77 > {key}; cat {key}") == (0, "77\n")
    assert shell(sandbox, "web", f"cat {key}") == (0, "64\n")
    assert Path(key).read_text() == before
    shell(sandbox, "client", f"echo 64 > {key}")


def test_a_node_sees_its_own_files(web: Lab) -> None:
    """Host name, hosts, resolv.conf are the lab's; two nodes differ; the host's are untouched."""
    before = [
        Path(path).read_bytes() for path in ("/etc/hosts", "/etc/resolv.conf", "/proc/sys/kernel/hostname")
    ]
    names = {}
    for node in ("client", "dns", "web"):
        _, names[node] = shell(web, node, "hostname; uname -n")
        _, hosts = shell(web, node, "cat /etc/hosts")
        assert "10.0.0.80" in hosts
        _, resolver = shell(web, node, "cat /etc/resolv.conf")
        assert "nameserver 10.0.0.53" in resolver
    assert names == {node: f"{node}\n{node}\n" for node in names}
    after = [
        Path(path).read_bytes() for path in ("/etc/hosts", "/etc/resolv.conf", "/proc/sys/kernel/hostname")
    ]
    assert after == before


def test_the_repository_may_lie_under_tmp(tmp_path: Path) -> None:
    """A clone below /tmp, which a lab replaces, still runs: its package, topology and content are seen."""
    clone = tmp_path / "clone"
    for part in ("netlab", "topologies"):
        shutil.copytree(harness.ROOT / part, clone / part, ignore=shutil.ignore_patterns("__pycache__"))
    (clone / "topologies" / "www" / "where.txt").write_text("of the clone\n")
    (tmp_path / "cwd").mkdir()
    argv = ["curl", "-sS", "http://www.lab.test/where.txt"]
    done = subprocess.run(
        [
            *harness.NETLAB,
            "run",
            "--out",
            "out",
            str(clone / "topologies" / "web.yaml"),
            "client",
            "--",
            *argv,
        ],
        cwd=tmp_path / "cwd",
        env=os.environ | {"PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
        timeout=harness.PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "of the clone\n"), done.stderr
    assert (tmp_path / "cwd" / "out" / "trace.txt").stat().st_size > 0
