"""The exported Compose file, brought up by Compose on a real engine: the servers answer without netlab."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netlab.backends.docker import image
from tests.system.engine.fixtures import lacking
from tests.system.harness import NETLAB, ROOT, WEB, wait_for

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

SECONDS = 100
# An image beside what the node itself does: they are one host.
GUEST = """
  guest:
    address: {address}
    image: {image}
    firewall: [hold-back-rst]
"""


def program() -> tuple[str, ...]:
    """Return what Compose is called here."""
    known = [words for words in (("docker", "compose"), ("docker-compose",)) if shutil.which(words[0])]
    for words in known:
        done = subprocess.run([*words, "version"], capture_output=True, check=False, timeout=SECONDS)
        if done.returncode == 0:
            return words
    return lacking("neither docker compose nor docker-compose is installed")


@dataclass(frozen=True)
class Project:
    """A Compose file with the name that all which is made of it bears; `subnet` is its three octets."""

    words: tuple[str, ...]
    directory: Path
    name: str
    subnet: str
    engine: Engine

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Compose."""
        return subprocess.run(
            [*self.words, "-p", self.name, "-f", "web.compose.yaml", *arguments],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def inside(self, service: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container."""
        return self.run("exec", "-T", service, *argv)

    def left(self) -> list[str]:
        """Return the containers, networks and volumes of this project."""
        wanted = {"label": f"com.docker.compose.project={self.name}"}
        api = self.engine.api
        found = [each["Id"] for each in api.containers(all=True, filters=wanted)]
        found += [each["Id"] for each in api.networks(filters=wanted)]
        return found + [each["Name"] for each in api.volumes(filters=wanted)["Volumes"] or []]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Project]:
    """Export the shipped lab, in a subnet that no other worker has, and bring it up.

    In the end it is taken down, and no container, network or volume may be left.
    """
    words = program()
    directory = tmp_path_factory.mktemp("compose")
    shutil.copytree(WEB.parent, directory / "topologies")
    number = os.getpid() % 250
    subnet = f"10.213.{number}"
    text = WEB.read_text().replace("10.0.0.", f"{subnet}.").replace("0.0.10.in", f"{number}.213.10.in")
    text += GUEST.format(address=f"{subnet}.90", image=image.tag())
    (directory / "topologies" / "web.yaml").write_text(text)
    subprocess.run(
        [*NETLAB, "export", "compose", "topologies/web.yaml", "-o", "web.compose.yaml"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        timeout=SECONDS,
    )
    made = Project(words, directory, f"netlab{uuid.uuid4().hex[:12]}", subnet, engine)
    try:
        done = made.run("up", "-d")
        assert done.returncode == 0, done.stderr
        assert made.left()
        yield made
    finally:
        # The guest's shell, process 1 of its container, does not heed SIGTERM.
        done = made.run("down", "--volumes", "--timeout", "1")
    assert done.returncode == 0, done.stderr
    assert made.left() == []


def answers(project: Project, name: str, kind: str = "A") -> list[str]:
    """Ask as a program in the client does."""
    return project.inside("client", "dig", "+short", "+tries=1", name, kind).stdout.splitlines()


def test_the_lab_goes_on_without_netlab(project: Project) -> None:
    """In the client, dig and curl get the lab's own answers; addresses, MAC and rule are the plan's."""
    subnet = project.subnet
    assert wait_for(lambda: answers(project, "www.lab.test") == [f"{subnet}.80"])
    assert answers(project, "lab.test", "MX") == ["10 mail.lab.test."]
    page = project.inside(
        "client", "curl", "-sS", "--retry", "5", "--retry-connrefused", "http://www.lab.test/"
    )
    assert page.stdout == (WEB.parent / "www" / "index.html").read_text(), page.stderr
    shown = project.inside("client", "ip", "-oneline", "address").stdout
    assert f"{subnet}.10/24" in shown
    link = project.inside("client", "cat", "/sys/class/net/eth0/address").stdout.strip()
    assert f'mac_address: "{link}"' in (project.directory / "web.compose.yaml").read_text()
    assert (
        "tcp flags & rst == rst" in project.inside("client", "nft", "list", "table", "inet", "netlab").stdout
    )
    assert project.inside("client", "sysctl", "-n", "net.ipv4.tcp_congestion_control").stdout == "reno\n"
    assert f'{subnet}.10 "GET /" 200' in project.run("logs", "web").stdout


def test_it_is_shut_in_as_far_as_docker_goes(project: Project) -> None:
    """No address of the host is there, none of the internet, and the files cannot be written to."""
    for address in (f"{project.subnet}.254", "192.0.2.1"):
        assert project.inside("client", "ping", "-c", "1", "-W", "1", address).returncode != 0
    assert project.inside("web", "touch", "/lab/www/new").returncode != 0
    effective = project.inside("web", "grep", "CapEff", "/proc/self/status").stdout.split()[1]
    # capabilities(7): setgid, setuid, bind, admin, raw
    assert int(effective, 16) == 1 << 6 | 1 << 7 | 1 << 10 | 1 << 12 | 1 << 13


def test_an_image_is_one_host_with_its_node(project: Project) -> None:
    """The image's container has the node's address and its firewall rule."""
    shown = project.inside("guest.image", "ip", "-oneline", "address").stdout
    assert f"{project.subnet}.90/24" in shown
    assert "rst" in project.inside("guest.image", "nft", "list", "table", "inet", "netlab").stdout
