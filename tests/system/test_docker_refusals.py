"""What stands in the way of containers is told: place, fault, cure, the right status, and no traceback."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import TYPE_CHECKING

import docker
import docker.errors
import pytest

from netlab.backends.docker import image
from netlab.backends.docker.engine import connect
from netlab.errors import NetlabError
from tests.system import containers, harness
from tests.system.commandline import Desk, desk
from tests.system.engine.fixtures import lacking

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

START_ONE = "start one, or set DOCKER_HOST to one that runs; without one there is --backend netns"
UP = ("up", "--backend", "docker", "topologies/web.yaml")
NOBODY = 65534
TINY = "netlab-test/tiny"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Desk]:
    """Sit at a desk; nothing of its user's is left in the end, where there is an engine at all."""
    (tmp_path / "desk").mkdir()
    with desk(tmp_path / "desk") as made:
        yield made
        with contextlib.suppress(NetlabError), contextlib.closing(connect()) as engine:
            containers.remove(engine, made.environment["LOGNAME"])


@pytest.fixture
def sockets() -> Iterator[Path]:
    """Give a directory whose name is short enough for sockets, and that everybody may enter."""
    with tempfile.TemporaryDirectory(prefix="nl-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def refusal(place: Desk, *arguments: object) -> tuple[int, str]:
    """Run a command line that is refused; return its status and its sentence."""
    done = place.netlab(*(arguments or UP))
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


# -- no engine -----------------------------------------------------------------------------------------


def test_no_socket(place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """DOCKER_HOST leads to nothing: status 3."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/engine.sock")
    what = "no container engine answers at unix:///nowhere/engine.sock: there is no such socket"
    assert refusal(place) == (3, f"netlab: {what} — {START_ONE}\n")


def test_nobody_listens(place: Desk, sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that an engine has left behind is there: status 3."""
    path = sockets / "engine.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    what = f"no container engine answers at unix://{path}: nobody listens there"
    assert refusal(place) == (3, f"netlab: {what} — {START_ONE}\n")


def test_a_socket_of_somebody_else(sockets: Path) -> None:
    """An ordinary user who is not in the group learns how to join it: status 3."""
    path = sockets / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600 if os.geteuid() == 0 else 0)
        environment = os.environ | {"DOCKER_HOST": f"unix://{path}", "PYTHONPATH": str(harness.ROOT)}
        environment |= {"HOME": str(sockets), "LOGNAME": "nobody"}
        try:
            done = subprocess.run(
                [*harness.NETLAB, "up", "--backend", "docker", str(harness.WEB)],
                cwd=sockets,
                env=environment,
                user=NOBODY if os.geteuid() == 0 else None,
                capture_output=True,
                text=True,
                timeout=harness.PATIENCE,
                check=False,
            )
        except PermissionError:
            pytest.skip("an ordinary user may not run this interpreter")
    if "Permission denied" in done.stderr and "netlab:" not in done.stderr:
        pytest.skip("an ordinary user may not read where these tests lie")
    hint = "join its group (sudo usermod -aG docker $USER; then log in again), or use rootless Podman"
    what = f"no container engine answers at unix://{path}: its socket is not yours to use"
    assert (done.returncode, done.stderr) == (3, f"netlab: {what} — {hint}\n")


@pytest.mark.parametrize(
    "host",
    [
        "nonsense",
        "  ",
        "tcp://",
        "tcp://[::1",
        "tcp://127.0.0.1:port",
        "tcp://127.0.0.1:1",
        "gopher://127.0.0.1:2375",
        "unix://",
        "unix:///etc/passwd",
        "unix:///etc",
        "npipe:////./pipe/engine",
    ],
)
def test_an_address_that_is_none(place: Desk, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Whatever DOCKER_HOST holds: one sentence that repeats it, and status 3; `ps` does not mind it."""
    monkeypatch.setenv("DOCKER_HOST", host)
    status, errors = refusal(place)
    assert status == 3
    assert errors.startswith(f"netlab: no container engine answers at {host}: ")
    # For who may not write to a file, it might be a socket that is not theirs.
    is_forbidden = host.startswith("unix:///etc") and os.geteuid() != 0
    assert ("its socket is not yours to use" if is_forbidden else f" — {START_ONE}\n") in errors
    assert errors.count("\n") == 1
    done = place.netlab("ps")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "no lab is running: start one with `netlab up TOPOLOGY`\n"


# -- what answers is no engine, or an old one ------------------------------------------------------------


@contextlib.contextmanager
def answering(path: Path, body: str, status: int = 200) -> Iterator[None]:
    """Answer every request at a socket with this."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def address_string(self) -> str:
            return "client"

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("version", ["1.24", "1.40"])
def test_an_engine_that_is_too_old(
    place: Desk, sockets: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """It says which API it speaks, and which is needed: status 3."""
    path = sockets / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with answering(path, f'{{"ApiVersion": "{version}"}}'):
        what = f"the engine at unix://{path} is too old: it speaks API {version}, and 1.41 is needed"
        assert refusal(place) == (3, f"netlab: {what} — Docker Engine 20.10 has it, and Podman 4\n")


@pytest.mark.parametrize(
    ("body", "status"),
    [("{}", 200), ("[]", 200), ("hello", 200), ('{"ApiVersion": "new"}', 200), ('{"message": "no"}', 500)],
)
def test_what_answers_is_no_engine(
    place: Desk, sockets: Path, monkeypatch: pytest.MonkeyPatch, body: str, status: int
) -> None:
    """A server of another kind gives one sentence, and status 3."""
    path = sockets / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with answering(path, body, status):
        found, errors = refusal(place)
    assert found == 3
    assert errors.startswith(f"netlab: no container engine answers at unix://{path}: ")
    assert errors.count("\n") == 1


# -- images ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Version:
    """A netlab of a version of its own, under `directory`."""

    directory: Path

    def run(self, place: Desk, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python at a desk, with this netlab."""
        environment = place.environment | {"PYTHONPATH": str(self.directory)}
        return place.run([sys.executable, "-c", program, *arguments], env=environment)

    def up(self, place: Desk) -> subprocess.CompletedProcess[str]:
        """Run its `netlab up`."""
        return self.run(place, harness.NETLAB[2], *UP)

    def tag(self, place: Desk) -> str:
        """Return the name of its image."""
        program = "from netlab.backends.docker import image; print(image.tag())"
        return self.run(place, program).stdout.strip()


@pytest.fixture
def version(tmp_path: Path) -> Version:
    """Give a copy of netlab with a version of its own."""
    made = Version(tmp_path / "copy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(harness.ROOT / "netlab", made.directory / "netlab", ignore=ignored)
    named = made.directory / "netlab_l4-0.dist-info" / "METADATA"
    named.parent.mkdir()
    named.write_text(f"Metadata-Version: 2.1\nName: netlab-l4\nVersion: 0+{uuid.uuid4().hex[:12]}\n")
    return made


@pytest.mark.usefixtures("engine")
def test_netlabs_image_is_missing(place: Desk, version: Version) -> None:
    """The sentence names it, and what makes it: status 3."""
    done = version.up(place)
    tag = version.tag(place)
    assert tag.startswith("netlab:0-")
    what = f"the container engine has no image {tag} — make it: netlab image build"
    assert (done.returncode, done.stderr) == (3, f"netlab: {what}\n")


def test_netlabs_image_is_of_other_sources(place: Desk, version: Version, engine: Engine) -> None:
    """What has the name, and was made of something else, is not used: status 3."""
    (version.directory / "netlab" / "changed.py").write_text("# new\n")
    tag = version.tag(place)
    engine.api.tag(image.tag(), *tag.split(":"))
    try:
        done = version.up(place)
    finally:
        engine.api.remove_image(tag)
    what = f"the image {tag} was made of other sources than this netlab's"
    assert (done.returncode, done.stderr) == (3, f"netlab: {what} — make it: netlab image build\n")


def write_topology(place: Desk, name: str) -> str:
    """Write a topology of a node of that image, and one without; return the file."""
    (place.directory / "own.yaml").write_text(
        "name: own\nbackend: docker\nnetworks: {lan: 10.0.0.0/24}\n"
        f"nodes:\n  own: {{address: 10.0.0.2, image: '{name}'}}\n  plain: {{address: 10.0.0.3}}\n"
    )
    return "own.yaml"


def test_a_nodes_image_is_missing(place: Desk, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not pulled, nor asked for: the engine gets no request that would, and makes no container."""
    name = f"netlab-test/no-such-image-{uuid.uuid4().hex[:8]}:1"
    with containers.proxy() as between:
        monkeypatch.setenv("DOCKER_HOST", between.host)
        found = refusal(place, "up", write_topology(place, name))
    what = f"node own: the container engine has no image {name}"
    hint = f"fetch it (netlab does not by itself): docker pull {name}"
    assert found == (3, f"netlab: {what} — {hint}\n")
    assert any(f"/images/{name}/json" in line for line in between.requests), "the test must see requests"
    assert {line.split()[0] for line in between.requests} == {"GET"}


@pytest.fixture
def make_image(engine: Engine) -> Iterator[Callable[..., str]]:
    """Make an image of busybox alone, under a name, with a command: `make_image("sleep", "sleep", "9")`."""
    busybox = shutil.which("busybox")
    if busybox is None or "dynamically" in subprocess.getoutput(f"file -L {busybox}"):
        lacking("busybox, statically linked, is not installed")
    names: list[str] = []

    def make(program: str, *argv: str, command: str = "") -> str:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(os.path.realpath(busybox), f"bin/{program}")
            for directory in ("proc", "sys", "dev", "etc", "tmp"):
                member = tarfile.TarInfo(directory)
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
        names.append(f"netlab-test/made-{uuid.uuid4().hex[:12]}")
        words = ", ".join(f'"{word}"' for word in (command or f"/bin/{program}", *argv))
        engine.api.import_image_from_data(
            packed.getvalue(), repository=names[-1], tag="1", changes=[f"CMD [{words}]"]
        )
        return f"{names[-1]}:1"

    yield make
    for name in names:
        engine.api.remove_image(f"{name}:1", force=True)


def test_an_image_without_a_shell(place: Desk, make_image: Callable[..., str]) -> None:
    """`netlab shell` says that there is none, with a shell's status; the node beside it has one."""
    name = make_image("sleep", "1000")
    assert refusal(place, "up", write_topology(place, name)) == (0, "")
    what = f"sh: command not found in image {name} of node own — install it, or check the name and $PATH"
    assert refusal(place, "shell", "own") == (127, f"netlab: {what}\n")
    assert place.netlab("shell", "plain", input="hostname\n").stdout == "plain\n"
    assert refusal(place, "down") == (0, "")


def test_an_image_that_ends_at_once(place: Desk, engine: Engine) -> None:
    """The start fails, and says so: status 1; nothing is left."""
    containers.need_image(engine, "netlab-test/bare")
    found = refusal(place, "up", write_topology(place, "netlab-test/bare"))
    what = "image netlab-test/bare of node own: its program ended as soon as it had started"
    assert found == (1, f"netlab: {what} — it said nothing\n")
    assert containers.of_user(engine, place.environment["LOGNAME"]) == []


def test_an_image_that_complains_and_ends(
    place: Desk, engine: Engine, make_image: Callable[..., str]
) -> None:
    """Its last words are shown."""
    name = make_image("sh", "-c", "echo reading settings; echo no settings found; exit 3")
    found = refusal(place, "up", write_topology(place, name))
    what = f"image {name} of node own: its program ended as soon as it had started"
    assert found == (1, f"netlab: {what} — it said\n    reading settings\n    no settings found\n")
    assert containers.of_user(engine, place.environment["LOGNAME"]) == []


def test_an_image_whose_program_is_not_there(
    place: Desk, engine: Engine, make_image: Callable[..., str]
) -> None:
    """The sentence names node, image and program: status 3."""
    name = make_image("sh", command="/bin/nothing")
    what = f"image {name} of node own cannot start: its program /bin/nothing is not in it"
    found = refusal(place, "up", write_topology(place, name))
    assert found == (3, f"netlab: {what} — choose an image that starts something\n")
    assert containers.of_user(engine, place.environment["LOGNAME"]) == []


# -- what does not fit -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("engine")
def test_a_script_among_too_many_files(place: Desk) -> None:
    """What lies beside a script goes with it, as long as that is not too much: status 2."""
    crowd = place.directory / "crowd"
    crowd.mkdir()
    for number in range(2001):
        (crowd / f"{number}.txt").touch()
    (crowd / "script.py").write_text("print('ran')\n")
    target = ("run", "--backend", "docker", "topologies/web.yaml", "client", "--")
    what = f"{crowd} is too much to take into a container: over 2000 files or 32 MiB"
    hint = "put the script, with what it needs, into a directory of its own"
    assert refusal(place, *target, "crowd/script.py") == (2, f"{what} — {hint}\n")


FULL = """
import sys
from netlab.kernel import syscalls as sc
sc.unshare(sc.CLONE_NEWNS)
sc.mount("none", "/", flags=sc.MS_REC | sc.MS_PRIVATE)
sc.mount("tmpfs", sys.argv[1], "tmpfs", data="size=64k")
from netlab.cli import run
fetch = ["curl", "-so", "/dev/null", *["http://www.lab.test/"] * 99]
out = sys.argv[1] + "/out"
sys.exit(run(["run", "--backend", "docker", "--out", out, sys.argv[2], "client", "--", *fetch]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system here")
def test_a_full_disk(place: Desk, engine: Engine) -> None:
    """A record that does not fit gives a sentence, status 1, and leaves no container."""
    disk = place.directory / "disk"
    disk.mkdir()
    done = place.run([sys.executable, "-c", FULL, str(disk), "topologies/web.yaml"])
    assert done.returncode == 1, done.stderr
    what = f"cannot write {disk}/out/capture.pcapng: No space left on device"
    assert f"netlab: {what} — make room, or choose --out DIR\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert containers.of_user(engine, place.environment["LOGNAME"]) == []


# -- an engine that stops --------------------------------------------------------------------------------

# The shell stays, as PID 1: it reaps what containers leave.
ENGINE = """
mount -t tmpfs tmpfs /run
ip link set lo up
cd "$1"
dockerd --data-root "$1/data" --exec-root /run/exec --pidfile /run/engine.pid \\
    --host "unix://$1/engine.sock" --iptables=false --ip6tables=false --bridge=none
exit 1
"""


@dataclass
class OwnEngine:
    """An engine of the tests' own, in namespaces of its own, that may be killed; its images survive it."""

    directory: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def host(self) -> str:
        """What DOCKER_HOST is for it."""
        return f"unix://{self.directory}/engine.sock"

    def start(self) -> docker.APIClient:
        """Start it and wait until it answers."""
        spaces = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        argv = ["unshare", *spaces, "--propagation", "private", "sh", "-euc", ENGINE, "engine"]
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen([*argv, str(self.directory)], stdout=log, stderr=log)
        assert harness.wait_for(self._listens), (self.directory / "log").read_text()[-2000:]
        return docker.APIClient(base_url=self.host, version="auto")

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as asking, contextlib.suppress(OSError):
            asking.connect(self.host.removeprefix("unix://"))
            return True
        return False

    def kill(self) -> None:
        """Kill it, and with it all that it runs; when this returns nobody listens at its socket."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert harness.wait_for(lambda: not self._listens())


@pytest.fixture(scope="module")
def own_engine(engine: Engine) -> Iterator[OwnEngine]:
    """Give an engine that is ours to kill, with netlab's image; it is started by the tests.

    Slow: the image is copied, 200 MB, and an engine starts for each test.
    """
    if os.geteuid() != 0:
        pytest.skip("only root may start an engine")
    if shutil.which("dockerd") is None:
        lacking("dockerd is not installed: no engine of the tests' own to kill")
    with tempfile.TemporaryDirectory(prefix="nl-", ignore_cleanup_errors=True) as directory:
        own = OwnEngine(Path(directory))
        try:
            with contextlib.closing(own.start()) as api:
                api.load_image(engine.api.get_image(image.tag()))
            own.kill()
            yield own
        finally:
            own.kill()


@pytest.fixture
def mortal(own_engine: OwnEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnEngine]:
    """Give it running, and as the engine that netlab finds."""
    try:
        own_engine.start().close()
        monkeypatch.setenv("DOCKER_HOST", own_engine.host)
        yield own_engine
    finally:
        own_engine.kill()


def gone(mortal: OwnEngine, asked: str) -> str:
    """Return the sentence for an engine that does not answer any more."""
    what = f"the container engine at {mortal.host} does not answer any more, asked {asked}"
    hint = "is it running? What is left of the lab goes with `netlab down --all` once it is"
    return f"netlab: {what} — {hint}\n"


def test_an_engine_that_stops_while_a_lab_runs(place: Desk, mortal: OwnEngine) -> None:
    """Who waits for a command learns of it at once: status 1; and no guard or other process stays."""
    line = "echo up; sleep 99"
    where = ["topologies/web.yaml", "client", "--", "sh", "-c", line]
    command = place.start("run", "--backend", "docker", *where)
    assert command.stdout is not None
    assert command.stdout.readline() == "up\n"
    mortal.kill()
    _, errors = command.communicate(timeout=harness.PATIENCE)
    assert command.returncode == 1
    assert errors == gone(mortal, "about containers")
    place.assert_nothing_left()


def test_an_engine_that_has_stopped_under_a_lab_with_a_name(place: Desk, mortal: OwnEngine) -> None:
    """Such a lab has gone with its engine, and netlab says that none runs."""
    assert refusal(place) == (0, "")
    mortal.kill()
    assert refusal(place, "exec", "client", "--", "true") == (
        2,
        "no lab is running — start one with `netlab up TOPOLOGY`\n",
    )
    assert refusal(place, "ps") == (0, "no lab is running: start one with `netlab up TOPOLOGY`\n")
    mortal.start().close()
    assert refusal(place) == (0, ""), "what the engine has left of it does not hinder the next of its name"


@pytest.mark.parametrize("number", [5, 9, 14])
def test_an_engine_that_stops_while_a_lab_starts(
    place: Desk, mortal: OwnEngine, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """At a request for the fabric, for a node, for the last of them: a sentence, status 1, no traceback."""

    def stop(count: int, moment: str) -> None:
        if (count, moment) == (number, containers.SENT):
            mortal.kill()

    with containers.proxy(stop) as between:
        monkeypatch.setenv("DOCKER_HOST", between.host)
        command = place.start(*UP)
        _, errors = command.communicate(timeout=harness.PATIENCE)
    assert command.returncode == 1, errors
    assert errors.count("\n") == 1
    assert re.match("netlab: the (container engine at|lab has ended|lab's supervisor ended)", errors), errors
    place.assert_nothing_left()
