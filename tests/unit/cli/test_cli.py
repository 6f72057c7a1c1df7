"""What the command line does with errors of every kind, without any lab."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import click
import pytest

from netlab import cli, errors
from netlab.cli import app as verbs


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Put back the handlers that a command line sets."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let a verb `ps` fail."""

    @click.command("ps")
    def fail() -> None:
        raise error

    monkeypatch.setattr(verbs.Verbs, "get_command", lambda *_: fail)


def test_a_fault_of_netlab_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bug gives 70, its place, and how to see more, in one line; with NETLAB_DEBUG the whole traceback."""
    failing(monkeypatch, KeyError("lost"))
    monkeypatch.delenv("NETLAB_DEBUG", raising=False)
    assert cli.run(["ps"]) == 70
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("netlab: a fault of netlab itself: KeyError('lost') at ")
    assert "test_cli.py:" in said.err
    monkeypatch.setenv("NETLAB_DEBUG", "1")
    assert cli.run(["ps"]) == 70
    assert capsys.readouterr().err.startswith("Traceback (most recent call last):")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (errors.UsageError("no such thing", "take another"), 2, "no such thing — take another\n"),
        (errors.CaptureError("f: damaged", "record again"), 2, "f: damaged — record again\n"),
        (errors.MachineError("no room", "make some"), 3, "netlab: no room — make some\n"),
        (errors.LabError("it broke"), 1, "netlab: it broke\n"),
        (
            errors.ServiceError("it died", "look", ["last", "words"]),
            1,
            "netlab: it died — look\n    last\n    words\n",
        ),
        (errors.TimeLimitError("over", "give more"), 124, "netlab: over — give more\n"),
        (errors.CommandNotFoundError("no dig"), 127, "netlab: no dig\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_errors_become_sentences_and_statuses(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    """Each error of the tree ends with its own status and one sentence on standard error."""
    failing(monkeypatch, error)
    assert cli.run(["ps"]) == status
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    ("signalled", "status"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_while_a_class_is_made(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    signalled: BaseException,
    status: int,
) -> None:
    """It is the signal's end, though some Pythons raise a RuntimeError in its place; nothing is said."""

    class Field:
        def __set_name__(self, _: type, __: str) -> None:
            raise signalled

    @click.command("ps")
    def fail() -> None:
        type("Made", (), {"field": Field()})

    monkeypatch.setattr(verbs.Verbs, "get_command", lambda *_: fail)
    try:
        ended = cli.run(["ps"])
    except SystemExit as leave:
        ended = leave.code
    assert ended == status
    assert capsys.readouterr().err == ""


def test_every_error_has_its_line_in_the_tree() -> None:
    """The tree in the docstring of `errors` names each error with its exit status."""

    def walk(kind: type[errors.NetlabError]) -> Iterator[type[errors.NetlabError]]:
        yield kind
        for each in kind.__subclasses__():
            yield from walk(each)

    lines = (errors.__doc__ or "").splitlines()
    for kind in walk(errors.NetlabError):
        (line,) = [line for line in lines if f"{kind.__name__} " in line]
        assert str(kind.exit_status) in line.split()


def test_every_verb_is_there() -> None:
    """Each name of the list is a command of that name."""
    context = click.Context(verbs.app)
    for name in verbs.VERBS:
        command = verbs.app.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.short_help


@pytest.mark.parametrize(
    ("word", "hint"),
    [("upp", "did you mean 'up'?"), ("Graph", "did you mean 'graph'?"), ("zz", "there are run, ")],
)
def test_a_verb_that_is_not_there(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest one is told, or all of them."""
    assert cli.run([word, "x"]) == 2
    assert f"Error: no such command {word!r} — {hint}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["run", "a.yaml", "client", "ls", "-la"], "netlab run TOPOLOGY NODE -- COMMAND -l"),
        (["exec", "client", "curl", "--output", "x"], "netlab exec NODE -- COMMAND --output"),
    ],
)
def test_options_of_a_nodes_command(words: list[str], usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They are told to stand behind --, which is not told who wrote it, nor of a verb that runs nothing."""
    assert cli.run(words) == 2
    assert f"write -- before the command, as in `{usage}`." in capsys.readouterr().err
    assert cli.run([words[0], "--zzz", "--", *words[1:]]) == 2
    assert cli.run(["ps", "-l"]) == 2
    assert "before the command" not in capsys.readouterr().err
