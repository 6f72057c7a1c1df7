"""The worksheets' tasks that ask for a change of a script: what they ask about can be seen then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from netlab.lab.catalogue import find
from tests.system.shipped import netlab

CLOSE = """   ───> RST         seq=72                           ESTABLISHED
   No answer within 2 s: it was discarded, or taken.
   client is in ESTABLISHED, web's kernel in CLOSED
5. Both close at once"""
UNFINISHED = """    connection.take(*connection.receive())
    connection.ack += MSS
    connection.send("A")
    while not connection.finished:"""


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("close", "ahead=1000", "ahead=0", CLOSE),
        ("unfinished", "    while not connection.finished:", UNFINISHED, "4. HTTP/1.1 200 OK, 81599 bytes"),
    ],
)
def test_a_changed_script_shows_what_its_task_asks_for(
    tmp_path: Path, name: str, old: str, new: str, said: str
) -> None:
    """A RST that works is told as such; an ACK of what has not come costs the page a segment, unnoticed."""
    lab = find(name)
    for file in lab.script.parent.glob("*.py"):
        shutil.copy(file, tmp_path)
    script = tmp_path / "client.py"
    text = script.read_text()
    assert text.count(old) == 1
    script.write_text(text.replace(old, new))
    done = netlab("run", lab.topology, lab.node, "--out", tmp_path / "run", "--", script, cwd=tmp_path)
    assert (done.returncode, said in done.stdout) == (0, True), (done.stdout, done.stderr)
