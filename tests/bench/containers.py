"""One star of containers: netlab's, or the same ones on a native Docker network, as Compose makes them.

    python tests/bench/containers.py netlab|native HOSTS  ->  {"up": milliseconds, "down": milliseconds}

Both begin with everything imported, make containers of the same image, command, limits and capabilities, and
end when the engine has none of them left. That the first host reaches the last one is proved between the two
times. The native way gets every advantage: a connection that stands, no file to read, nothing to look for
before, nothing to wait for after, and no time to end in. It exits with status 77 where no engine answers, or
the engine does not have netlab's image.
"""

from __future__ import annotations

import contextlib
import gc
import json
import secrets
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import docker
import docker.errors
import star

from netlab import lab
from netlab.backends.docker import containers, guard, image, session  # noqa: F401 — what a start imports
from netlab.backends.docker.engine import connect
from netlab.backends.docker.starting import AT_ONCE, abilities
from netlab.errors import MachineError
from netlab.plan import make_plan
from netlab.plan.model import Plan, PlannedNode

LACKING = 77
PING = ["ping", "-c", "1", "-W", "5"]


def netlab(plan: Plan, _: frozenset[str]) -> dict[str, float]:
    """Start, prove and stop netlab's star."""
    made: list[lab.Lab] = []
    up = star.milliseconds(lambda: made.append(lab.start(plan)))
    with made[0] as running:
        told = running.output(plan.nodes[0].name, [*PING, str(plan.nodes[-1].address)])
        down = star.milliseconds(running.stop)
    prove(told.returncode, told.stdout + told.stderr)
    return {"up": up, "down": down}


def native(plan: Plan, can: frozenset[str]) -> dict[str, float]:
    """Start, prove and stop the same star on one internal network of the engine's."""
    project = Project(plan, can)
    try:
        up = star.milliseconds(project.up)
        status, told = project.run(plan.nodes[0].name, [*PING, str(plan.nodes[-1].address)])
        down = star.milliseconds(project.down)
    except BaseException:
        project.clear()
        raise
    prove(status, told)
    return {"up": up, "down": down}


def prove(status: int, told: str) -> None:
    """Leave with what ping said, unless it was answered."""
    if status:
        sys.exit(f"the last host did not answer the first: {told.strip()}")


@dataclass(slots=True)
class Project:
    """The calls that Compose makes for one network and its services; `can` is what the engine limits."""

    plan: Plan
    can: frozenset[str]
    name: str = field(default_factory=lambda: f"netlab-bench-{secrets.token_hex(6)}")
    api: docker.APIClient = field(default_factory=lambda: connect().api)
    made: dict[str, str] = field(default_factory=dict)  # ids by node

    def up(self) -> None:
        """Make the network, then create and start the containers, each with its fixed address."""
        subnet = str(self.plan.nodes[0].ports[0].address.network)
        pool = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=subnet)])
        self.api.create_network(self.name, driver="bridge", internal=True, ipam=pool)
        _each(self._start, self.plan.nodes)

    def _start(self, node: PlannedNode) -> None:
        config = self._config(node)
        made = self.api.create_container_from_config(config, name=f"{self.name}-{node.name}")["Id"]
        self.made[node.name] = made
        self.api.start(made)

    def _config(self, node: PlannedNode) -> dict[str, Any]:
        """Return what netlab asks for this node, but for what joins it to the others."""
        config = containers.node(containers.Lab(self.name, "bench", image.tag(), self.can), node, "")
        host = {**config["HostConfig"], "NetworkMode": self.name}
        del host["PidMode"], host["AutoRemove"]
        place = {"IPAMConfig": {"IPv4Address": str(node.address)}}
        joined = {"EndpointsConfig": {self.name: place}}
        return {**config, "NetworkDisabled": False, "HostConfig": host, "NetworkingConfig": joined}

    def run(self, node: str, argv: list[str]) -> tuple[int, str]:
        """Run a command in a node; return its exit status and all that it said."""
        asked = self.api.exec_create(self.made[node], argv)["Id"]
        told = self.api.exec_start(asked).decode(errors="replace")
        return self.api.exec_inspect(asked)["ExitCode"], told

    def down(self) -> None:
        """Stop and remove the containers, then remove the network."""
        _each(self._remove, self.made.values())
        self.api.remove_network(self.name)

    def _remove(self, container: str) -> None:
        self.api.stop(container, timeout=0)
        self.api.remove_container(container, force=True, v=True)

    def clear(self) -> None:
        """Remove what a failure has left."""
        for container in self.made.values():
            with contextlib.suppress(docker.errors.NotFound):
                self.api.remove_container(container, force=True, v=True)
        with contextlib.suppress(docker.errors.NotFound):
            self.api.remove_network(self.name)


def _each(verb: Callable[[Any], None], those: Iterable[Any]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:  # Compose sets no limit; 16 make no difference
        for done in [pool.submit(verb, each) for each in those]:
            done.result()


WAYS = {"netlab": netlab, "native": native}


def main() -> None:
    """Measure one star; print the times."""
    plan = replace(make_plan(star.star(int(sys.argv[2]))), backend="docker")
    try:
        engine = connect()
        image.check(engine.image(image.tag()))
        can = abilities(engine.info())
        engine.close()
    except MachineError as error:
        print(error, file=sys.stderr)
        sys.exit(LACKING)
    gc.disable()
    print(json.dumps(WAYS[sys.argv[1]](plan, can)))


if __name__ == "__main__":
    main()
