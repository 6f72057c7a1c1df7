"""Judging readings: machines that are not this one, described by what would be read there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.kernel.engine import Answer, Engine
from netlab.kernel.probes import PACKAGES, Finding, judge, refusal
from netlab.kernel.readings import TOOLS, OwnImage, Readings

STEPS = ("unshare", "map", "namespaces", "files", "readonly", "proc", "devices", "locked", "ambient")
FEATURES = ("packet sockets", "veth", "bridge", "nf_tables", "nf_nat", "netem")
OWN = OwnImage("netlab:1", "0123")
DOCKER_ENGINE = Engine("Docker Engine", "27.5.1", (1, 47), cgroups="2", has_image=True, sources="0123")
ALL_TRIED = dict.fromkeys((*STEPS, *FEATURES), 0)
GOOD = Readings(
    release="6.8.0",
    python=(3, 12),
    family="debian",
    tried=ALL_TRIED,
    open_files=524288,
    docker=Answer(code=0, engine=DOCKER_ENGINE),
    image=OWN,
    tools={tool: f"/usr/bin/{tool}" for tool in TOOLS},
)


def refused_at(step: str, code: int) -> dict[str, int]:
    """Report a trial in which `step` met `code`: the steps before worked, those after were not reached."""
    return {**dict.fromkeys(STEPS[: STEPS.index(step)], 0), step: code}


UBUNTU = replace(GOOD, apparmor_restricts=1, userns_clone=1, tried=refused_at("map", errno.EPERM))
DEBIAN = replace(
    GOOD,
    release="4.19.0",
    userns_clone=0,
    mount_setattr=errno.ENOSYS,
    tried=refused_at("unshare", errno.EPERM),
)
DOCKER = replace(
    GOOD,
    container="Docker",
    seccomp=2,
    masked_proc=True,
    tried=refused_at("unshare", errno.EPERM),
    docker=Answer(code=errno.ENOENT),
    tools={},
)
NO_NAMESPACES = replace(
    GOOD,
    family="fedora",
    zero_limits=("user.max_user_namespaces",),
    tried=refused_at("unshare", errno.ENOSPC),
    open_files=1024,
    docker=Answer(code=errno.EACCES),
    tools={},
)
MACHINES = {
    "ubuntu-24.04": (UBUNTU, PermissionError(errno.EACCES, "", "/")),
    "debian-sysctl": (DEBIAN, PermissionError(errno.EPERM, "", "unshare")),
    "docker-seccomp": (DOCKER, PermissionError(errno.EPERM, "", "unshare")),
    "max-user-namespaces-0": (NO_NAMESPACES, OSError(errno.ENOSPC, "", "unshare")),
}


def told(findings: tuple[Finding, ...]) -> str:
    """One line a finding, its cure below it."""
    lines = []
    for finding in findings:
        need = "" if finding.needed else " (optional)"
        lines.append(f"{finding.status:7} {finding.name}{need}: {finding.detail}")
        if finding.cure:
            lines.append(f"        → {finding.cure}")
    return "\n".join(lines)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_that_refuses_is_told_why_and_the_cure(
    machine: str, golden: Callable[[str, str], None]
) -> None:
    """The findings and the sentence for four kinds of machine are what was agreed, word for word."""
    readings, error = MACHINES[machine]
    golden(f"probes/{machine}.txt", f"{refusal(readings, error)}\n\n{told(judge(readings))}\n")


def test_a_good_machine_needs_no_cure() -> None:
    """Where everything was tried and worked, every finding is a yes, and nothing is advised."""
    assert {(finding.status, finding.cure) for finding in judge(GOOD)} == {("yes", "")}


def test_a_switch_that_does_not_hinder_is_no_fault() -> None:
    """An AppArmor profile may exempt this Python: what was tried outweighs what the sysctl says."""
    findings = {finding.name: finding for finding in judge(replace(GOOD, apparmor_restricts=1, seccomp=2))}
    assert findings["AppArmor"].status == findings["seccomp"].status == "yes"
    assert "does not hinder" in findings["AppArmor"].detail


def test_root_is_not_told_to_lift_what_binds_only_others() -> None:
    """Both sysctls spare CAP_SYS_ADMIN, so a refusal met by root has another cause."""
    root = replace(UBUNTU, privileged=True, userns_clone=0)
    text = str(refusal(root, PermissionError(errno.EPERM, "", "unshare")))
    assert "sysctl" not in text
    assert "dmesg" in text


@pytest.mark.parametrize(
    ("readings", "error", "words"),
    [
        (
            replace(GOOD, container="Docker", masked_proc=True),
            (errno.EPERM, "/proc"),
            "mounted over parts of /proc",
        ),
        (replace(GOOD, container="Podman", masked_proc=True), (errno.EPERM, "/proc"), "podman run"),
        (replace(GOOD, container="Docker"), (errno.EACCES, "/"), "profile forbids mounts"),
        (replace(GOOD, seccomp=2), (errno.EPERM, "unshare"), "came with this shell"),
        (replace(GOOD, release="5.4"), (errno.ENOSYS, "/"), "5.4 is older than 5.12"),
        (GOOD, (errno.EINVAL, "unshare"), "CONFIG_USER_NS"),
        (GOOD, (errno.EUSERS, "unshare"), "nested 32 deep"),
        (
            replace(GOOD, zero_limits=("user.max_net_namespaces",)),
            (errno.ENOSPC, "unshare"),
            "max_net_namespaces is 0",
        ),
        (GOOD, (errno.ENOSPC, "/tmp/x"), os.strerror(errno.ENOSPC)),
        (replace(UBUNTU, system="Darwin"), (errno.EPERM, ""), "Darwin has no network namespaces"),
        (GOOD, (errno.EPERM, "/proc/7/uid_map"), "map your user"),
        (GOOD, (errno.EPERM, "prctl"), "hand capabilities"),
    ],
)
def test_the_cause_follows_from_the_errno_and_the_step(
    readings: Readings, error: tuple[int, str], words: str
) -> None:
    """Each obstacle is told from the others by errno, by step and by what was read."""
    number, place = error
    assert words in str(refusal(readings, OSError(number, os.strerror(number), place)))


def test_a_refusal_ends_netlab_with_the_status_of_a_machine_error() -> None:
    """The sentence is place, fault and hint, and the CLI exits 3 on it."""
    error = refusal(UBUNTU, PermissionError(errno.EPERM, "", "unshare"))
    assert error.exit_status == 3
    assert error.hint.startswith("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")


PODMAN = replace(
    DOCKER_ENGINE,
    name="Podman",
    version="4.3.1",
    api=(1, 41),
    rootless=True,
    cgroups="1",
    limitless=("memory", "processes"),
    has_image=False,
    sources="",
)
THERE = "unix:///run/user/1000/podman/podman.sock"
ENGINES = {
    "Docker Engine": Answer(code=0, engine=DOCKER_ENGINE),
    "rootless Podman without the image": Answer(THERE, 0, PODMAN),
    "an image of other sources": Answer(code=0, engine=replace(DOCKER_ENGINE, sources="4567")),
    "somebody else's image": Answer(code=0, engine=replace(DOCKER_ENGINE, sources="")),
    "too old": Answer(code=0, engine=replace(DOCKER_ENGINE, version="19.03.15", api=(1, 40))),
    "newer than all": Answer(code=0, engine=replace(DOCKER_ENGINE, version="99", api=(2, 0))),
    "slow": Answer(code=0, engine=Engine("Docker Engine", "27.5.1", (1, 47))),
    "no socket": Answer(code=errno.ENOENT),
    "nobody listens": Answer(code=errno.ECONNREFUSED),
    "nobody listens elsewhere": Answer(THERE, errno.ECONNREFUSED),
    "no answer in time": Answer(code=errno.ETIMEDOUT),
    "no permission": Answer(code=errno.EACCES),
    "something else": Answer("tcp://10.0.0.1:80", errno.EPROTO),
    "by ssh": Answer("ssh://somewhere", errno.EPROTONOSUPPORT),
}


def test_what_is_said_of_engines(golden: Callable[[str, str], None]) -> None:
    """Which engine answers, and what it lacks, is said as was agreed; a cure is a command where one does."""
    lines = []
    for name, answer in ENGINES.items():
        findings = judge(replace(GOOD, docker=answer))
        said = tuple(finding for finding in findings if finding.name in ("Docker", "netlab's image"))
        assert len(said) == 2
        lines.append(f"-- {name}\n{told(said)}\n")
    golden("probes/engines.txt", "\n".join(lines))


@pytest.mark.parametrize("answer", ENGINES.values(), ids=ENGINES)
def test_no_lab_needs_an_engine(answer: Answer) -> None:
    """Whatever an engine lacks, labs run; each "no" has a cure, and nothing else has."""
    for finding in judge(replace(GOOD, docker=answer)):
        assert not finding.needed or finding.status == "yes"
        assert bool(finding.cure) == (finding.status == "no")


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("debian", "sudo apt install bind9-dnsutils"),
        ("fedora", "sudo dnf install bind-utils"),
        ("arch", "sudo pacman -S bind"),
        ("", "install the package that brings dig"),
    ],
)
def test_a_missing_tool_is_named_as_the_distribution_packages_it(family: str, words: str) -> None:
    """The package of dig has another name on each distribution; elsewhere no command is made up."""
    (dig,) = (f for f in judge(replace(GOOD, family=family, tools={})) if f.name == "dig")
    assert dig.cure == words


def test_every_tool_that_is_looked_for_has_a_package() -> None:
    """The two lists of tools, read and judged, name the same ones."""
    assert set(TOOLS) == set(PACKAGES)


errnos = st.sampled_from(
    [0, errno.EPERM, errno.EACCES, errno.ENOSPC, errno.ENOSYS, errno.EINVAL, errno.ENOENT]
)


@given(
    tried=st.integers(0, len(STEPS)).flatmap(
        lambda count: st.fixed_dictionaries(dict.fromkeys(STEPS[:count], errnos))
    ),
    container=st.sampled_from([None, "Docker", "Podman", "the container"]),
    seccomp=st.sampled_from([0, 1, 2]),
    switches=st.tuples(st.sampled_from([None, 0, 1]), st.sampled_from([None, 0, 1])),
    privileged=st.booleans(),
    docker=errnos.filter(bool),
)
def test_every_no_has_a_cure_and_nothing_else_has(
    tried: dict[str, int],
    container: str | None,
    seccomp: int,
    switches: tuple[int | None, int | None],
    privileged: bool,
    docker: int,
) -> None:
    """Whatever a machine reads like, each "no" comes with a cure, and no other status does."""
    readings = Readings(
        tried=tried,
        container=container,
        seccomp=seccomp,
        userns_clone=switches[0],
        apparmor_restricts=switches[1],
        privileged=privileged,
        docker=Answer(code=docker),
    )
    for finding in judge(readings):
        assert finding.detail
        assert bool(finding.cure) == (finding.status == "no"), finding
