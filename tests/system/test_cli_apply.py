"""`netlab apply` as a user has it: what it says, how it finds its lab, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import commandline
from tests.system.commandline import Desk
from tests.system.harness import PATIENCE, make_token, marked, wait_for

MINE = """
extends: topologies/web.yaml
name: web
nodes:
  client: {address: 10.0.0.11}
  extra: {address: 10.0.0.99, start: [START]}
"""
CHANGES = ["node extra added", "client: address 10.0.0.10/24 → 10.0.0.11/24"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk with the lab `web`, and a variation of it."""
    with commandline.desk(tmp_path) as made:
        write(made)
        made.up()
        yield made


def write(desk: Desk, start: str = "sleep 0", more: str = "") -> None:
    """Write the variation, whose new node starts with such a command."""
    (desk.directory / "mine.yaml").write_text(MINE.replace("START", start) + more)


def test_what_it_says(desk: Desk) -> None:
    """A dry run tells what would change, the run what did, and a second one that nothing does."""
    done = desk.netlab("apply", "mine.yaml", "--dry-run")
    assert (done.returncode, done.stdout.splitlines()) == (0, CHANGES)
    assert done.stderr == "2 changes, none made: this was a dry run\n"
    told = json.loads(desk.netlab("apply", "mine.yaml", "--dry-run", "--json").stdout)
    assert (told["lab"], told["applied"], [one["text"] for one in told["changes"]]) == ("web", False, CHANGES)
    done = desk.netlab("apply", "mine.yaml")
    assert (done.returncode, done.stdout.splitlines()) == (0, CHANGES)
    assert done.stderr == "lab web: 2 changes made\n"
    assert desk.netlab("apply", "mine.yaml").stdout == "lab web is as the file says: nothing to change\n"
    done = desk.netlab("apply", "mine.yaml", "--json")
    assert (json.loads(done.stdout), done.stderr) == ({"lab": "web", "applied": False, "changes": []}, "")
    assert "client dns web extra" in desk.netlab("ps").stdout
    assert desk.netlab("exec", "extra", "--", "ping", "-c", "1", "client").returncode == 0


def test_which_lab(desk: Desk) -> None:
    """It is the one that the file names, or the one that --name names, whatever the file says."""
    other = (desk.directory / "mine.yaml").read_text().replace("name: web", "name: other")
    (desk.directory / "other.yaml").write_text(other)
    done = desk.netlab("apply", "other.yaml")
    assert done.returncode == 2
    assert done.stderr == (
        "no lab named 'other' is running — the file calls its lab so; --name chooses another: web\n"
    )
    assert desk.netlab("apply", "other.yaml", "--name", "web").stdout.splitlines() == CHANGES
    assert desk.netlab("apply", "other.yaml", "--name", "nobody").returncode == 2
    words = {"COMP_WORDS": "netlab apply mine.yaml --name w", "COMP_CWORD": "4"}
    environment = desk.environment | words | {"_NETLAB_COMPLETE": "bash_complete"}
    assert desk.netlab(env=environment).stdout == "plain,web\n"


def test_what_it_refuses(desk: Desk) -> None:
    """A seed that is another, a file with faults, a step that fails: each its status, and the lab goes on."""
    done = desk.netlab("apply", "mine.yaml", "--seed", "7")
    assert done.returncode == 2
    assert done.stderr == (
        "this takes a new start: seed 2012 → 7 — end the lab and start it again: netlab down, netlab up; "
        "or give --seed and --backend as `up` had them\n"
    )
    write(desk, more="  web: {adress: 10.0.0.1}\n")
    assert desk.netlab("apply", "mine.yaml").returncode == 2
    write(desk, more="  web: {sysctls: {net.ipv4.no_such_thing: 1}}\n")
    done = desk.netlab("apply", "mine.yaml")
    assert done.returncode == 3
    assert done.stderr == (
        "netlab: the step 'web: sysctl net.ipv4.no_such_thing added (1)' failed: "
        "this kernel has no net.ipv4.no_such_thing to set in web (nothing was changed) — see `sysctl -a`\n"
    )
    write(desk, more="  web: {nft: 'table ip x { broken'}\n")
    done = desk.netlab("apply", "mine.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("mine.yaml:7:")
    assert "Traceback" not in done.stderr
    assert "client dns web " in desk.netlab("ps").stdout


def test_ctrl_c(desk: Desk) -> None:
    """The first says that the change goes on; with a second, the command ends and the change does not."""
    token = make_token()
    go = desk.directory / token
    write(desk, f"[sh, -c, 'until [ -e {go} ]; do sleep 0.02; done']")
    process = desk.start("apply", "mine.yaml")
    assert wait_for(lambda: len(marked(token)) > 0)
    assert process.stderr is not None
    os.killpg(process.pid, signal.SIGINT)
    assert "Ctrl-C once more" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    go.touch()
    (told,) = json.loads(desk.netlab("ps", "--json").stdout)
    assert list(told["nodes"]) == ["client", "dns", "web", "extra"]
    assert told["nodes"]["client"]["addresses"] == ["10.0.0.11/24"]
    assert desk.netlab("apply", "mine.yaml").stdout.endswith("nothing to change\n")
