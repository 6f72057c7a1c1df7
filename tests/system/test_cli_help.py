"""What the command line says of itself is true: examples run, JSON holds the text, shells complete."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from netlab.cli.app import VERBS, app
from netlab.kernel.programs import find
from netlab.lab.catalogue import exercises
from tests.system import commandline, engines
from tests.system.commandline import SECONDS, Desk
from tests.system.harness import wait_for

WEB = "topologies/web.yaml"
GROUPS = {
    "lab": ("list", "show", "run"),
    "trace": ("diff",),
    "export": ("compose",),
    "image": ("build",),
}
PATHS = [(), *((verb,) for verb in VERBS), *((verb, each) for verb, all_ in GROUPS.items() for each in all_)]
# What goes on until Ctrl-C, and the statuses that are good besides 0.
ENDLESS = {"netlab logs web --follow": 130}


def command(path: tuple[str, ...]) -> click.Command:
    """Find the command of a path as (lab, run)."""
    found: click.Command = app
    for name in path:
        assert isinstance(found, click.Group)
        got = found.get_command(click.Context(found), name)
        assert got is not None
        found = got
    return found


def examples(path: tuple[str, ...]) -> list[str]:
    """Return the lines of a help text that a reader would type at the shell's prompt."""
    help_text = command(path).get_help(click.Context(command(path), info_name="netlab"))
    _, _, rest = help_text.partition("Example")
    return [line.strip() for line in rest.splitlines() if re.match(r"    (netlab|eval) ", line)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Give a desk with what examples speak of: a lab that runs, a script, a record and a saved one."""
    with commandline.desk(tmp_path_factory.mktemp("desk")) as made:
        (made.directory / "my_script.py").write_text(
            "from scapy.all import *\nprint(len(conf.route.routes) > 0)\n"
        )
        assert made.netlab("lab", "run", "dns").returncode == 0
        shutil.copytree(made.directory / "runs/dns", made.directory / "saved/dns")
        yield made


def prepare(desk: Desk, line: str) -> None:
    """Let there be a lab where the example needs one, and none where it starts its own."""
    desk.netlab("down", "--all")
    if re.match(r"netlab (down|ps|exec|shell|scapy|logs|capture|apply|wire)\b", line):
        desk.up()


def as_typed(line: str) -> str:
    """Return an example without its remark, shorter where it would last, and with programs that are there."""
    line = line.replace("--seconds 10", "--seconds 0.2").partition("    ")[0]
    if not shutil.which("dig"):
        line = line.replace("dig ", "ping -c 1 ")
    return line if shutil.which("curl") else line.replace("curl http://www.lab.test/", "true")


def run_example(desk: Desk, line: str) -> tuple[int, str]:
    """Run an example as bash does, with traffic for what waits for some; return its status and output."""
    argv = ["bash", "-c", f'netlab() {{ {" ".join(map(repr, commandline.NETLAB))} "$@"; }}\n{line}']
    if line in ENDLESS or "-c 10" in line:
        process = desk.start(*argv, program=())
        if line in ENDLESS:
            assert process.stdout is not None
            assert process.stdout.readline()
            os.killpg(process.pid, signal.SIGINT)
        else:
            assert wait_for((desk.directory / "client.pcapng").exists)
            desk.netlab("exec", "client", "--", "ping", "-c", "6", "-i", "0.05", "web")
        told, errors = process.communicate(timeout=SECONDS)
        return process.returncode, told + errors
    with (desk.directory / "told").open("w+") as told_here:
        done = desk.run(argv, stdout=told_here, stderr=subprocess.STDOUT)
        told_here.seek(0)
        return done.returncode, told_here.read()


def test_every_verb_has_an_example() -> None:
    """Each verb's help shows at least one; all are found by the test of them below."""
    assert all(examples(path) for path in PATHS)
    assert sum(len(examples(path)) for path in PATHS) > 20


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_the_examples_run(desk: Desk, path: tuple[str, ...], request: pytest.FixtureRequest) -> None:
    """Each, typed as it stands, succeeds; an image is made from a base that is there."""
    for line in map(as_typed, examples(path)):
        if "image build" in line:
            base = request.getfixturevalue("base")
            line = re.sub(r"--pull|--base \S+", f"--base {base}", line)  # noqa: PLW2901
        prepare(desk, line)
        status, told = run_example(desk, line)
        assert status == ENDLESS.get(line, 0), (line, told)
        assert "Traceback" not in told


def test_what_scapys_help_shows_at_the_prompt(desk: Desk) -> None:
    """The line after >>> gets the answer of the lab's server."""
    prepare(desk, "netlab scapy client")
    (line,) = re.findall(r">>> (.*)", command(("scapy",)).help or "")
    with (desk.directory / "told").open("w+") as told_here:
        done = desk.netlab("scapy", "client", input=line + "\n", stdout=told_here, stderr=subprocess.STDOUT)
        told_here.seek(0)
        assert done.returncode == 0
        assert "10.0.0.80" in told_here.read()


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help(desk: Desk, path: tuple[str, ...]) -> None:
    """-h and --help are the same, on standard output, in at most 100 columns."""
    short, long = desk.netlab(*path, "-h"), desk.netlab(*path, "--help")
    assert short.stdout == long.stdout
    assert (long.returncode, long.stderr) == (0, "")
    assert long.stdout.startswith("Usage: netlab")
    assert max(map(len, long.stdout.splitlines())) <= 100


# -- JSON ------------------------------------------------------------------------------------------


def told(desk: Desk, *words: str, status: int = 0) -> object:
    """Run a command with --json: nothing but JSON on standard output, nothing on standard error."""
    done = desk.netlab(*words, "--json")
    assert (done.returncode, done.stderr) == (status, "")
    return json.loads(done.stdout)


def test_every_verb_that_has_json_is_tested() -> None:
    """The tests below cover each verb that takes --json."""
    having = {" ".join(path) for path in PATHS if any("--json" in p.opts for p in command(path).params)}
    having -= {"image build", "apply", "wire"}  # test_image's, test_cli_apply's, test_wires'
    assert having == {"up", "ps", "check", "plan", "doctor", "lab list", "lab show", "trace diff"}


def test_json_of_labs(desk: Desk) -> None:
    """`lab list` and `lab show` tell the same as their text."""
    listed = told(desk, "lab", "list")
    assert isinstance(listed, list)
    rows = desk.netlab("lab", "list").stdout.splitlines()[1:]
    assert [f"{lab['name']} {lab['title']} {' '.join(lab['rows'])}".split() for lab in listed] == [
        r.split() for r in rows
    ]
    for lab in listed:
        assert told(desk, "lab", "show", lab["name"]) == lab
        text = desk.netlab("lab", "show", lab["name"]).stdout
        assert lab["script"] in text
        assert lab["topology"] in text


def test_json_of_a_plan(desk: Desk) -> None:
    """`plan --json` holds each address, MAC and rule that the text shows."""
    plan = told(desk, "plan", WEB)
    assert isinstance(plan, dict)
    text = desk.netlab("plan", WEB).stdout
    for node in plan["nodes"]:
        for port in node["ports"]:
            assert {port["mac"], port["address"]} <= set(text.split())
        for rule in node["rules"]:
            assert rule["nft"] in text
    assert [node["name"] for node in plan["nodes"]] == ["client", "dns", "web"]
    contained = told(desk, "plan", WEB, "--backend", "docker")
    assert contained == plan | {"backend": "docker"} != plan


def test_json_of_a_check(desk: Desk) -> None:
    """`check --json` is an empty list for good files; else each fault with its place, and status 2."""
    assert told(desk, "check", WEB) == []
    (desk.directory / "bad.yaml").write_text("nodes:\n  a: {adress: 10.0.0.1}\n  b_c:\n")
    faults = told(desk, "check", "bad.yaml", WEB, "topologies", "none.yaml", "-", status=2)
    assert isinstance(faults, list)
    places = [(fault["place"]["file"], fault["place"]["line"]) for fault in faults]
    assert sorted(places) == [("-", 1), ("bad.yaml", 2), ("bad.yaml", 3), ("none.yaml", 1), ("topologies", 1)]
    done = desk.netlab("check", "bad.yaml", WEB, "topologies", "none.yaml", "-")
    assert (done.returncode, done.stdout) == (2, f"{WEB}: good (3 nodes, 1 switch, 2 services)\n")
    for fault in faults:
        assert f"{fault['place']['file']}:{fault['place']['line']}:" in done.stderr
        assert f"{fault['what']} — {fault['hint']}" in done.stderr


def test_json_of_the_doctor(desk: Desk) -> None:
    """`doctor --json` has every finding of the text, with its cure."""
    done, findings = desk.netlab("doctor"), json.loads(desk.netlab("doctor", "--json").stdout)
    assert done.returncode in (0, 3)
    for finding in findings:
        assert finding["name"] in done.stdout
        assert finding["status"] in ("yes", "no", "unknown")
        if finding["status"] == "no" and finding["cure"]:
            assert finding["cure"] in done.stdout
    told = {finding["name"]: finding["status"] for finding in findings}
    for engine, programs in engines.PROGRAMS.items():
        if engine != "builtin":
            assert (told[engine] == "yes") is all(map(find, programs)), "what it serves with is here, or not"


def test_json_of_a_comparison(desk: Desk, tmp_path: Path) -> None:
    """`trace diff --json`: 0 and no differences, 1 and each of them, as in the text."""
    same = told(desk, "trace", "diff", "runs/dns", "saved/dns")
    assert isinstance(same, dict)
    assert same["same"] is True
    assert all(flow["differences"] == [] for flow in same["flows"])
    assert desk.netlab("lab", "run", "dns", "--seed", "7", "--out", str(tmp_path)).returncode == 0
    differing = told(desk, "trace", "diff", "runs/dns", str(tmp_path), status=1)
    assert isinstance(differing, dict)
    assert differing["same"] is False
    text = desk.netlab("trace", "diff", "runs/dns", str(tmp_path))
    assert text.returncode == 1
    shown = [flow for flow in differing["flows"] if flow["differences"]]
    assert shown
    assert all(flow["flow"] in text.stdout for flow in shown)


@pytest.mark.parametrize("spoil", ["damaged", "empty", "truncated", "text", "missing", "no packets"])
def test_what_cannot_be_compared(desk: Desk, tmp_path: Path, spoil: str) -> None:
    """A recording that is no good is neither the same nor different: 2, and a sentence."""
    whole = (desk.directory / "runs/dns/capture.pcapng").read_bytes()
    other = tmp_path / "other.pcapng"
    trace = (desk.directory / "runs/dns/trace.txt").read_bytes()
    spoilt = {
        "damaged": whole[:200] + bytes(40) + whole[240:],
        "empty": b"",
        "truncated": whole[:-10],
        "text": b"a letter\n",
        "no packets": b"".join(line for line in trace.splitlines(True) if line.startswith(b"#")),
    }
    if spoil in spoilt:
        other.write_bytes(spoilt[spoil])
    for pair in (("runs/dns", str(other)), (str(other), "runs/dns")):
        done = desk.netlab("trace", "diff", *pair)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
        assert " — " in done.stderr


# -- completion ------------------------------------------------------------------------------------


def complete(desk: Desk, line: str) -> set[str]:
    """Complete the last word of a line as bash would."""
    words = line.split(" ")
    environment = desk.environment | {
        "_NETLAB_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = desk.netlab(env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_valid(desk: Desk, shell: str) -> None:
    """The shell itself, where it is installed, takes the script."""
    done = desk.netlab("completion", shell)
    assert done.returncode == 0
    assert "_NETLAB_COMPLETE" in done.stdout
    if shutil.which(shell):
        assert desk.run([shell, "-n"], input=done.stdout).returncode == 0
    assert desk.netlab("completion", "csh").returncode == 2


def test_words_are_completed(desk: Desk) -> None:
    """Verbs, options, shipped labs, labs that run, nodes of the only one or of --lab's, nodes of a file."""
    desk.netlab("down", "--all")
    assert complete(desk, "netlab exec c") == set()
    desk.up()
    assert complete(desk, "netlab c") == {f"plain,{verb}" for verb in VERBS if verb.startswith("c")}
    assert complete(desk, "netlab plan --co") == {"plain,--commands"}
    for verb in ("run", "up", "plan", "lab run"):
        assert complete(desk, f"netlab {verb} --backend ") == {"plain,netns", "plain,docker"}
    assert complete(desk, "netlab lab run ") == {f"plain,{each.name}" for each in exercises()}
    assert complete(desk, "netlab down ") == {"plain,web"}
    for verb in ("exec", "shell", "logs", "capture", "scapy"):
        assert complete(desk, f"netlab {verb} ") == {"plain,client", "plain,dns", "plain,web"}
    assert complete(desk, f"netlab run --seed random {WEB} c") == {"plain,client"}
    assert complete(desk, "netlab run no-such-file.yaml c") == set()
    assert any(word.startswith("file,") for word in complete(desk, "netlab run "))
    desk.up("--name", "second")
    assert complete(desk, "netlab exec ") == set()
    assert complete(desk, "netlab exec --lab second d") == {"plain,dns"}
    assert complete(desk, "netlab exec --lab ") == {"plain,second", "plain,web"}
    assert complete(desk, "netlab down web ") == {"plain,second"}
    desk.netlab("down", "--all")
