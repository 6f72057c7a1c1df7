"""What each container of a lab is made with: pure, from the plan. The seal is here, and its limits.

Names and labels tell whose a container is; nothing is found by its name's form.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netlab.plan.model import Plan, PlannedNode
from netlab.plan.seal import IMAGE_CAPABILITIES, NODE_CAPABILITIES, NODE_LIMITS, Limits

LAB, USER, NAME, ROLE, NODE = (f"netlab.{word}" for word in ("lab", "user", "name", "role", "node"))
FABRIC, IMAGE = "fabric", "image"

JOB = "/run/netlab-job"  # where the fabric's PID 1 finds what it is to do
PLAN = "/run/netlab-plan"  # where it finds what it is to become, with a dash and a word behind it
PLACE = "NETLAB_PLACE"  # in a container's environment: by it the fabric knows whose processes it sees

# To join and enter the nodes' namespaces, to signal what runs there, and to take all these from it.
FABRIC_CAPABILITIES = (*NODE_CAPABILITIES, "KILL", "SETPCAP", "SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE")
_MEBIBYTE = 1 << 20


# Commands, scripts and services of all nodes are its children.
FABRIC_LIMITS = Limits(4096 * _MEBIBYTE, 4096, 2)


@dataclass(frozen=True, slots=True)
class Lab:
    """What every container of one lab has in common.

    `own` is netlab's image, `can` what the engine is able to limit: memory, processes, cpus, apparmor.
    `id` is the lab's alone; `name` that of a lab which outlives its maker.
    """

    id: str
    user: str
    own: str
    can: frozenset[str]
    name: str | None = None

    def container(self, *place: str) -> str:
        """Return a container's name: the fabric's, or that of a node, or of a node and its image.

        That of a named lab's fabric is taken once, and so is the lab's. No name of a lab or node has a dot.
        """
        if not place and self.name is not None:
            return f"netlab-{self.user}.{self.name}"
        return ".".join((f"netlab-{self.id}", *place))


@dataclass(frozen=True, slots=True)
class Job:
    """What the driver leaves in the fabric: `out` is where it keeps the record, `leased` that it holds on."""

    plan: Plan
    out: Path | None
    warm: bool
    leased: bool

    def packed(self) -> bytes:
        """Return it as bytes that another version of Python reads as well."""
        packed = io.BytesIO()
        _Pickler(packed).dump(self)
        return packed.getvalue()

    @staticmethod
    def unpacked(data: bytes) -> Job:
        """Return what `packed` made; for the fabric alone, which nobody but the driver writes to."""
        job: Job = pickle.loads(data)  # noqa: S301
        return job


class _Pickler(pickle.Pickler):
    """Says a path in words of its own: where pathlib keeps its classes has changed."""

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 — pickle's own
        return (as_path, (str(value),)) if isinstance(value, Path) else NotImplemented


def as_path(text: str) -> Path:
    """Return a path."""
    return Path(text)


def fabric(lab: Lab) -> dict[str, Any]:
    """Return what the engine is told to create for the fabric."""
    options = ["apparmor=unconfined"] if "apparmor" in lab.can else []  # it makes /proc/sys/net writable
    host = _host(lab, FABRIC_CAPABILITIES, FABRIC_LIMITS) | {"NetworkMode": "none"}
    host["SecurityOpt"] += options
    leased = lab.name is None
    return {
        "Image": lab.own,
        "NetworkDisabled": True,  # as for a node
        "Entrypoint": ["python3", "-m", "netlab.backends.docker.fabric"],
        "Cmd": [],
        "OpenStdin": leased,
        "StdinOnce": leased,
        "AttachStdin": leased,
        "Labels": _labels(lab, FABRIC),
        "HostConfig": host,
    }


def node(lab: Lab, planned: PlannedNode, processes: str) -> dict[str, Any]:
    """Return what the engine is told to create for a node, which joins the fabric's `processes`."""
    host = _host(lab, NODE_CAPABILITIES, NODE_LIMITS)
    host |= {"NetworkMode": "none", "PidMode": processes}
    return {
        "Image": lab.own,
        # The same namespace, of which the engine keeps no account: a start takes half the time. But then it
        # makes no hosts and resolv.conf either, which the container of an image shares.
        "NetworkDisabled": planned.image is None,
        "Hostname": planned.name,
        "Entrypoint": ["sleep", "infinity"],
        "Cmd": [],
        "Env": [f"{PLACE}=node/{planned.name}"],
        "Labels": _labels(lab, "node", planned.name),
        "HostConfig": host,
    }


def image(lab: Lab, planned: PlannedNode, processes: str, network: str) -> dict[str, Any]:
    """Return what the engine is told to create for a node's own image; it joins the node's `network`.

    Its standard input stays open: a shell, which many images start, waits there.
    """
    host = _host(lab, IMAGE_CAPABILITIES, NODE_LIMITS)
    host |= {"NetworkMode": network, "PidMode": processes}
    return {
        "Image": planned.image,
        "OpenStdin": True,
        "Env": [f"{PLACE}=image/{planned.name}"],
        "Labels": _labels(lab, IMAGE, planned.name),
        "HostConfig": host,
    }


def _labels(lab: Lab, role: str, name: str = "") -> Mapping[str, str]:
    labels = {LAB: lab.id, USER: lab.user, ROLE: role}
    if name:
        labels[NODE] = name
    if lab.name is not None:
        labels[NAME] = lab.name
    return labels


def _host(lab: Lab, capabilities: tuple[str, ...], limits: Limits) -> dict[str, Any]:
    """Return the part that seals a container and bounds what it uses."""
    host: dict[str, Any] = {
        "AutoRemove": True,
        "CapDrop": ["ALL"],
        "CapAdd": list(capabilities),
        "SecurityOpt": ["no-new-privileges"],
    }
    if "memory" in lab.can:
        host["Memory"] = limits.memory
    if "processes" in lab.can:
        host["PidsLimit"] = limits.processes
    if "CPU time" in lab.can:
        host["NanoCpus"] = int(limits.cpus * 1_000_000_000)
    return host
