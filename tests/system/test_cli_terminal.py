"""Commands in a node at a real terminal: keys, sizes, job control, long input and output, ends."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import commandline
from tests.system.commandline import Desk, Terminal, terminal
from tests.system.harness import NETLAB, make_token, soon

WEB = "topologies/web.yaml"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Give a desk at which the lab web is up."""
    with commandline.desk(tmp_path_factory.mktemp("desk")) as made:
        made.up()
        yield made


def test_a_shell_is_interactive(desk: Desk) -> None:
    """It has a prompt, a name and a size, which follows the window's; its `exit 5` is ours."""
    with terminal(desk, "shell", "client", size=(31, 97)) as window:
        window.type("PS1='> '; stty size; hostname\r")
        window.wait_for("31 97")
        window.wait_for("client")
        window.resize(40, 100)
        window.type("stty size\r")
        window.wait_for("40 100")
        window.type("exit 5\r")
        assert window.wait() == 5
        assert window.is_restored


def test_end_of_input_ends_a_shell(desk: Desk) -> None:
    """Ctrl-D on an empty line is the end of input, there as anywhere."""
    with terminal(desk, "shell", "client") as window:
        window.type("PS1=rea''dy:\r")
        window.wait_for("ready:")
        window.type("\x04")
        assert window.wait() == 0
        assert window.is_restored


def test_job_control(desk: Desk) -> None:
    """Ctrl-Z stops, `fg` goes on, Ctrl-C ends what runs in the shell, and the shell goes on."""
    with terminal(desk, "exec", "client", "--", "sh", "-i") as window:
        window.type("PS1=rea''dy:\r")
        window.wait_for("ready:")
        window.type("cat\r")
        window.type("heard\r")
        window.wait_for("heard\r\nheard\r\n")  # once by the terminal, once by cat
        window.type("\x1a")
        window.wait_for("ready:")
        window.type("jobs\r")
        window.wait_for("Stopped")
        window.wait_for("ready:")
        window.type("fg\r")
        window.wait_for("cat\r\n")
        window.type("again\r")
        window.wait_for("again\r\nagain\r\n")
        window.type("\x03")
        window.wait_for("ready:")
        window.type("exit 7\r")
        assert window.wait() == 7


def test_pasted_input_arrives(desk: Desk) -> None:
    """100 kB pasted at once reach a command that writes them back at the same time, unaltered."""
    lines = "".join(f"{number:07d} the quick brown fox\n" for number in range(3600))
    script = "stty -echo; echo ready; tee copy | cat; cksum copy"
    with terminal(desk, "exec", "client", "--", "sh", "-c", f"cd /tmp; {script}") as window:
        window.wait_for("ready\r\n")
        window.type(lines.replace("\n", "\r"))
        window.type("\x04")
        assert window.wait() == 0
    told = window.text.replace("\r\n", "\n")
    expected = subprocess.run(
        ["cksum"], input=lines, capture_output=True, text=True, check=True
    ).stdout.split()
    assert lines in told
    assert told.split()[-3:] == [*expected[:2], "copy"]


def test_typing_ahead_blocks_nothing(desk: Desk) -> None:
    """A command that reads nothing goes on writing, whatever is pasted meanwhile."""
    script = "stty raw -echo; echo ready; sleep 0.2; seq 200000 >/dev/tty; echo end"
    with terminal(desk, "exec", "client", "--", "sh", "-c", script) as window:
        window.wait_for("ready")
        window.type("x" * 100_000)
        assert window.wait() == 0
        assert window.text.rstrip().endswith("end")


def test_long_output_is_complete(desk: Desk) -> None:
    """A command that writes 1 MB and ends at once: all of it is shown."""
    script = "stty -opost; seq 170000"
    with terminal(desk, "exec", "client", "--", "sh", "-c", script) as window:
        assert window.wait() == 0
    expected = "".join(f"{number}\n" for number in range(1, 170001))
    assert len(expected) > 1_000_000
    assert hashlib.sha256(window.text.encode()).digest() == hashlib.sha256(expected.encode()).digest()


@pytest.mark.parametrize("child", ["sleep 86400", "yes"])
def test_a_child_left_behind_does_not_hold_us(desk: Desk, child: str) -> None:
    """A command that leaves a child on its terminal, silent or writing, has ended when it has ended."""
    token = make_token()
    script = f"trap '' HUP; TOKEN={token} {child} & echo done; exit 4"
    with terminal(desk, "exec", "client", "--", "sh", "-c", script) as window:
        assert window.wait() == 4
        assert "done" in window.text
        assert window.is_restored
    desk.netlab("exec", "client", "--", "pkill", child.partition(" ")[0])


def test_errors_may_go_elsewhere(desk: Desk) -> None:
    """Standard error that is no terminal stays what the user made it."""
    with (
        (desk.directory / "errors").open("w") as errors,
        terminal(desk, "exec", "client", "--", "sh", "-c", "echo out; echo err >&2", stderr=errors) as window,
    ):
        assert window.wait() == 0
    assert window.text == "out\r\n"
    assert (desk.directory / "errors").read_text() == "err\n"


def test_only_input_is_a_terminal(desk: Desk) -> None:
    """Output into a pipe: no terminal is made, what is typed is read, Ctrl-C ends the command."""
    reading, writing = os.pipe()
    script = "test -t 1 && exit 9; read line; echo got $line; exec sleep 86400"
    with terminal(desk, "exec", "client", "--", "sh", "-c", script, stdout=writing) as window:
        os.close(writing)
        window.type("words\r")
        with os.fdopen(reading) as pipe:
            assert pipe.readline() == "got words\n"
        window.type("\x03")
        assert window.wait() == 128 + signal.SIGINT
        assert window.is_restored


def test_only_output_is_a_terminal(desk: Desk) -> None:
    """Input from a file: it is read to its end, and the terminal shows what comes of it."""
    (desk.directory / "input").write_text("one\ntwo\n")
    with (
        (desk.directory / "input").open() as source,
        terminal(desk, "exec", "client", "--", "wc", "-l", stdin=source) as window,
    ):
        assert window.wait() == 0
    assert window.text.strip() == "2"


def test_a_time_limit_at_a_terminal(desk: Desk) -> None:
    """A command that outlives its limit is ended, its last words shown, the terminal given back."""
    script = "trap 'echo last words; exit' TERM; echo on; while :; do sleep 0.05; done"
    with terminal(desk, "exec", "client", "--time-limit", "0.5", "--", "sh", "-c", script) as window:
        assert window.wait() == 124
        assert "last words" in window.text
        assert "time limit" in window.text
        assert window.is_restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_give_the_terminal_back(desk: Desk, number: signal.Signals) -> None:
    """A signal to netlab itself ends it with that status; the terminal is as before, the command gone."""
    token = make_token()
    script = f"echo on; TOKEN={token} exec sleep 86400"
    with terminal(desk, "exec", "client", "--", "sh", "-c", script) as window:
        window.wait_for("on\r\n")
        assert not window.is_restored
        window.process.send_signal(number)
        assert window.wait() == 128 + number
        assert window.is_restored
    assert soon(lambda: not commandline.marked(token))


def test_a_closed_window(tmp_path: Path) -> None:
    """When the window closes while `netlab run` has a shell there, the lab ends, its record complete."""
    with commandline.desk(tmp_path) as desk:
        with terminal(desk, "run", WEB, "client", "--", "sh", "-c", "ping -c 1 web; cat") as window:
            window.wait_for("1 received")
            window.hang_up()
            assert window.process.wait(commandline.SECONDS) == 128 + signal.SIGHUP
        desk.assert_nothing_left()
        assert "ICMP" in (tmp_path / "runs/web/trace.txt").read_text()


def test_scapys_prompt(desk: Desk) -> None:
    """The prompt knows the nodes by name, asks the lab's server, and ends by Ctrl-D."""
    with terminal(desk, "scapy", "client", size=(40, 200)) as window:
        window.wait_for(">>> ")
        window.type(
            "sr1(IP(dst=dns)/UDP(sport=50000)/DNS(qd=DNSQR(qname='www.lab.test')))[DNS].an[0].rdata\r"
        )
        window.wait_for("10.0.0.80")
        window.wait_for(">>> ")
        window.type("\x04")
        assert window.wait() == 0
        assert window.is_restored


def test_a_background_job_is_not_stopped(desk: Desk) -> None:
    """With `&` a command that asks nothing runs to its end: it does not reach for the terminal."""
    command = " ".join(f"'{word}'" for word in [*NETLAB, "exec", "client", "--", "echo", "said"])
    window = Terminal(desk, ["sh", "-imc", f"{command} & wait $!; echo status $?"])
    try:
        assert window.wait() == 0
        assert "said" in window.text
        assert "status 0" in window.text
    finally:
        window.close()


def test_progress_is_shown_of_what_takes_long(tmp_path: Path) -> None:
    """A start that is not done at once says so on a terminal, and takes it back; a quick one says nothing."""
    nodes = "\n".join(
        f"  n{number}: {{address: 10.0.{number // 250}.{number % 250 + 1}}}" for number in range(900)
    )
    with commandline.desk(tmp_path) as desk:
        (tmp_path / "star.yaml").write_text(f"networks: {{lan: 10.0.0.0/16}}\nnodes:\n{nodes}\n")
        with terminal(desk, "run", WEB, "client", "--", "true") as window:
            assert window.wait() == 0
            assert "starting" not in window.text
        with terminal(desk, "run", "star.yaml", "n1", "--", "true") as window:
            assert window.wait() == 0
            assert "starting 900 nodes …\r\x1b[K" in window.text


def test_colour_is_for_terminals(desk: Desk) -> None:
    """Bold and colours appear on a terminal, unless NO_COLOR asks for none, and never in a pipe."""
    with terminal(desk, "ps") as window:
        assert window.wait() == 0
        assert "\x1b[1m" in window.text
    argv = ["env", "NO_COLOR=1", *NETLAB, "ps"]
    window = Terminal(desk, argv)
    assert window.wait() == 0
    assert "\x1b" not in window.text
    window.close()
    assert "\x1b" not in desk.netlab("ps").stdout
