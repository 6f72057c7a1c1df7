"""`netlab export`: where the files of a lab are, seen from the Compose file and in a container."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from netlab import cli

SITE = "name: lab\nnodes: {{web: {{services: {{http: {{content: {}}}}}}}}}\n"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a directory of its own; put back the handlers that a command line sets."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    monkeypatch.chdir(tmp_path)
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def site(file: str, content: str, directory: str | None = None) -> None:
    """Write a topology with one site, and the directory of its content."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    (Path(file).parent / (directory or content)).mkdir(parents=True, exist_ok=True)
    Path(file).write_text(SITE.format(content))


def volumes(written: str) -> dict[str, str]:
    """Return the sources of web's volumes by their targets."""
    file: Any = yaml.safe_load(written)
    return {volume["target"]: volume["source"] for volume in file["services"]["web"]["volumes"]}


@pytest.mark.parametrize(
    ("file", "content", "out", "expected"),
    [
        ("a.yaml", "www", "c.yaml", {"/lab/a.yaml": "./a.yaml", "/lab/www": "./www"}),
        ("t/a.yaml", "www", "c.yaml", {"/lab/a.yaml": "./t/a.yaml", "/lab/www": "./t/www"}),
        ("t/a.yaml", "../www", "t/c.yaml", {"/lab/t/a.yaml": "./a.yaml", "/lab/www": "../www"}),
        ("t/u/a.yaml", "../../w/x", "c.yaml", {"/lab/t/u/a.yaml": "./t/u/a.yaml", "/lab/w/x": "./w/x"}),
        ("t/a.yaml", ".", "o/c.yaml", {"/lab/a.yaml": "../t/a.yaml", "/lab": "../t"}),
    ],
)
def test_paths_lead_to_the_files(file: str, content: str, out: str, expected: dict[str, str]) -> None:
    """Sources are relative to the Compose file; in a container, the topology's words lead to its content."""
    site(file, content)
    Path(out).parent.mkdir(exist_ok=True)
    assert cli.run(["export", "compose", file, "-o", out]) == 0
    found = volumes(Path(out).read_text())
    assert found == expected
    for source in found.values():
        assert (Path(out).parent / source).exists()


def test_printed_it_is_for_the_working_directory(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --out the file goes to standard output, twice the same, and nothing is written."""
    site("t/a.yaml", "www")
    before = sorted(Path().rglob("*"))
    assert cli.run(["export", "compose", "t/a.yaml"]) == 0
    said = capsys.readouterr()
    assert (volumes(said.out)["/lab/a.yaml"], said.err) == ("./t/a.yaml", "")
    assert cli.run(["export", "compose", "t/a.yaml"]) == 0
    assert capsys.readouterr().out == said.out
    assert sorted(Path().rglob("*")) == before


def test_the_image_and_the_seed_are_the_user_s(capsys: pytest.CaptureFixture[str]) -> None:
    """--image stands in for netlab's image, --seed gives other MAC addresses."""
    site("a.yaml", "www")
    assert cli.run(["export", "compose", "a.yaml", "--image", "mine:2", "--seed", "7"]) == 0
    mine = yaml.safe_load(capsys.readouterr().out)["services"]["web"]
    assert cli.run(["export", "compose", "a.yaml"]) == 0
    own = yaml.safe_load(capsys.readouterr().out)["services"]["web"]
    assert (mine["image"], own["image"].partition(":")[0]) == ("mine:2", "netlab")
    assert mine["mac_address"] != own["mac_address"]


def test_zone_files_go_along(capsys: pytest.CaptureFixture[str]) -> None:
    """The containers of servers see the zone files that the topology names, or it would be no good there."""
    Path("zones").mkdir()
    Path("zones/lab.zone").write_text("www A 192.0.2.80\n")
    Path("a.yaml").write_text("nodes: {ns: {services: {dns: {zones: {lab.test: zones/lab.zone}}}}, b: }\n")
    assert cli.run(["export", "compose", "a.yaml"]) == 0
    text = capsys.readouterr().out
    mounts = yaml.safe_load(text)["services"]["ns"]["volumes"]
    assert ("./zones/lab.zone", "/lab/zones/lab.zone") in [(one["source"], one["target"]) for one in mounts]


@pytest.mark.parametrize("how", ["absolute", "link"])
def test_content_that_a_container_does_not_find(how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An absolute path, or one through a symbolic link, leads elsewhere in a container: that is said."""
    Path("far").mkdir()
    Path("link").symlink_to("far")
    Path("a.yaml").write_text(SITE.format("link" if how == "link" else Path("far").absolute()))
    assert cli.run(["export", "compose", "a.yaml", "-o", "c.yaml"]) == 2
    assert "a.yaml cannot be exported: " in capsys.readouterr().err
    assert not Path("c.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["none.yaml"], 2, "none.yaml:1:1: no such file"),
        (["a.yaml", "-o", "./a.yaml"], 2, "a.yaml is the topology itself"),
        (["a.yaml", "--image", "No Image"], 2, "'No Image' cannot name an image"),
        (["a.yaml", "-o", "none/c.yaml"], 3, "cannot write none/c.yaml: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    arguments: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has its exit status and names the culprit; the topology is untouched."""
    site("a.yaml", "www")
    before = Path("a.yaml").read_text()
    assert cli.run(["export", "compose", *arguments]) == status
    assert words in capsys.readouterr().err
    assert Path("a.yaml").read_text() == before
