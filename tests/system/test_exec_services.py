"""Exec services: any command, kept: ready when it says so, started again, and asked to end in its own way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netlab import lab, topology
from netlab.errors import ServiceError
from netlab.lab import Lab
from netlab.lab.record import claim
from netlab.plan import make_plan
from tests.system import containers
from tests.system.harness import PATIENCE, wait_for

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

LAB = """\
nodes:
  a:
    environment: {COLOUR: blue}
    services:
      exec:
        web: {run: python3 -m http.server 8080, ready: {port: 8080}}
        polite:
          run: [sh, -c, 'trap "echo bye; exit" INT; echo $COLOUR $NETLAB_NODE; while :; do sleep 0.05; done']
          ready: {log: blue}
          stop: INT
        always: {run: [sh, -c, 'echo up; sleep 86401'], ready: {log: up}, restart: always}
  b:
"""


def told(running: Lab, node: str, script: str) -> str:
    """Run a shell's script to its end; return what it says."""
    return running.output(node, ["sh", "-c", script], seconds=PATIENCE).stdout


def kill(running: Lab, node: str, words: str) -> None:
    """Kill the processes of the lab whose command line holds these words."""
    told(
        running,
        node,
        f"for p in /proc/[0-9]*; do grep -qs '{words}' $p/cmdline && kill -9 ${{p#/proc/}}; done",
    )


@pytest.mark.parametrize("how", ["finished", "stopped"])
def test_the_life_of_exec_services(tmp_path: Path, how: str) -> None:
    """They are there when the lab is; one comes again when it has ended; one says good-bye."""
    plan = make_plan(topology.parse(LAB, file="lab.yaml", directory=tmp_path))
    record = claim(tmp_path / "out", "lab")
    logs = tmp_path / "out" / "logs"
    with lab.start(plan, record=record) as running:
        assert "Directory listing" in told(running, "b", "curl -s http://a:8080/ || wget -qO- http://a:8080/")
        assert (logs / "a.polite.log").read_text() == "blue a\n"
        kill(running, "a", "sleep 8640[1]")
        again = "netlab: it was killed by SIGKILL, and is started again\n"
        assert wait_for(lambda: (logs / "a.always.log").read_text().count("up\n") == 2)
        assert again in (logs / "a.always.log").read_text()
        assert "exec polite" in running.info["nodes"]["a"]["services"]
        if how == "finished":
            running.finish()
    assert (logs / "a.polite.log").read_text() == "blue a\nbye\n"


def test_a_service_that_fails_soon_is_told_of_at_the_end(tmp_path: Path) -> None:
    """Also where the lab would have ended before, as nobody waits for it to be ready."""
    run = "{run: [sh, -c, sleep 0.2; echo the port is taken; exit 1]}"
    text = f"nodes:\n  a: {{services: {{exec: {{mine: {run}}}}}}}\n  b:\n"
    plan = make_plan(topology.parse(text, file="lab.yaml", directory=tmp_path))
    fails = pytest.raises(ServiceError, match="exec mine of node a ended with status 1")
    with lab.start(plan, record=claim(tmp_path / "out", "lab")) as running, fails as caught:
        running.finish()
    assert caught.value.log == ("the port is taken",)


# Its container's first program, whose output the engine hands out, hears what it is asked.
IN_A_CONTAINER = """\
backend: docker
nodes:
  a:
    services:
      exec:
        polite:
          run:
            - sh
            - -c
            - |
              bye() {
                  for p in /proc/[0-9]*; do grep -qs infinity $p/cmdline && echo bye > $p/fd/1; done
                  exit
              }
              trap bye INT
              echo up
              while :; do sleep 0.05; done
          ready: {log: up}
          stop: INT
  b:
"""


@pytest.mark.parametrize("detached", [False, True], ids=["its maker", "another"])
def test_a_service_in_a_container_is_asked_to_end(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detached: bool
) -> None:
    """Where nothing is recorded too, and whoever ends the lab: the engine itself would only kill."""
    monkeypatch.setenv("LOGNAME", user := containers.make_user())
    plan = make_plan(topology.parse(IN_A_CONTAINER, file="lab.yaml", directory=tmp_path))
    try:
        if detached:
            lab.start_detached(plan, "polite")
        with lab.attach("polite") if detached else lab.start(plan):
            heard = engine.attach(containers.of_lab(engine, user)["a"]["Id"], stdin=False)
        assert heard.read() == [(1, b"bye\n")]
        heard.close()
    finally:
        containers.remove(engine, user)


def test_who_ends_is_told_or_left(tmp_path: Path) -> None:
    """`never`, the default, is told; `on-failure` that ends well is neither told nor started again."""
    text = """
nodes:
  a:
    services:
      exec:
        ends: {run: [sh, -c, 'echo up; until test -e /tmp/go; do sleep 0.01; done; exit 3'], ready: {log: up}}
        well: {run: [sh, -c, 'echo up; until test -e /tmp/go; do sleep 0.01; done'], restart: on-failure}
  b:
"""
    plan = make_plan(topology.parse(text, file="lab.yaml", directory=tmp_path))
    with lab.start(plan, record=claim(tmp_path / "out", "lab")) as running:
        told(running, "b", "touch /tmp/go")
        assert wait_for(lambda: running._session.info()["ended"])
        with pytest.raises(ServiceError) as caught:
            running.finish()
    assert str(caught.value) == (
        "service exec ends of node a ended with status 3 while the lab ran — its log ends so\n    up"
    )
    assert (tmp_path / "out" / "logs" / "a.well.log").read_text() == "up\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run: no-such-program", "no-such-program: command not found in node a"),
        ("run: [sh, -c, 'echo oh; exit 4'], ready: {port: 7}, restart: always", "    oh"),
        (
            "run: sleep 60, ready: {port: 7}, within: 1",
            "was not ready after 1 s — it is ready when tcp port 7",
        ),
    ],
)
def test_what_does_not_begin(tmp_path: Path, words: str, said: str) -> None:
    """A command that is not there, ends at once or never becomes ready fails the start, in its own words."""
    text = f"nodes:\n  a: {{services: {{exec: {{x: {{{words}}}}}}}}}\n  b:\n"
    with pytest.raises(ServiceError, match="service exec x of node a") as caught:
        lab.start(make_plan(topology.parse(text, file="lab.yaml", directory=tmp_path)))
    assert said in str(caught.value)
