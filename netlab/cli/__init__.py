"""The command line: translates arguments, prints and exits; nothing else in netlab does."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netlab.errors import NetlabError

if TYPE_CHECKING:
    import click

_INTERNAL_FAULT = 70  # EX_SOFTWARE of sysexits.h
_COMPLETE = "_NETLAB_COMPLETE"  # what the shell's completion script sets


def main() -> None:
    """Run the `netlab` command."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status; every error becomes its sentence on standard error."""
    try:
        _prepare()
        status = _invoke(arguments)
    except KeyboardInterrupt:
        return _interrupted()
    except NetlabError as error:
        _tell(f"netlab: {error}" if error.exit_status != 2 else str(error))
        return error.exit_status
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except Exception as error:
        return _signalled(error.__cause__) or _internal_fault(error)
    finally:
        _flush()
    return status


def _invoke(arguments: Sequence[str]) -> int:
    """Find the verb and call it.

    Click's own `main` is not used: it has exit statuses of its own for signals and closed pipes.
    """
    import click
    from click.shell_completion import shell_complete

    from netlab.cli.app import app

    if instruction := os.environ.get(_COMPLETE):
        return shell_complete(app, {}, "netlab", _COMPLETE, instruction)
    colour = False if os.environ.get("NO_COLOR") else None
    try:
        with app.make_context("netlab", list(arguments), color=colour) as context:
            status = app.invoke(context)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and "--" not in arguments:
            error = _with_dashes(error)
        error.show()
        return error.exit_code
    return status if isinstance(status, int) else 0


def _with_dashes(error: click.NoSuchOption) -> click.NoSuchOption:
    """Return the error with where options of a command in a node stand: most likely this is one of them."""
    from click import NoSuchOption

    if error.ctx is None or all(one.name != "command" for one in error.ctx.command.params):
        return error
    names = "NODE" if error.ctx.command.name == "exec" else "TOPOLOGY NODE"
    usage = f"{error.ctx.command_path} {names} -- COMMAND {error.option_name}"
    hint = f"if it is the command's own, write -- before the command, as in `{usage}`."
    said = f"{error.message.rstrip('.')} — {hint}"
    return NoSuchOption(error.option_name, said, error.possibilities, error.ctx)


def _prepare() -> None:
    """Set up streams and signals.

    A standard stream that is closed gives its number to the next file that is opened, which a command in a
    node would then take for it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    # A path may hold bytes that are no text, and a terminal may lack our dashes: neither is worth a failure.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _leave)


def _interrupted() -> int:
    """Return the exit status of Ctrl-C; the terminal has shown ^C, and the prompt belongs on its own line."""
    if sys.stderr is not None and sys.stderr.isatty():
        _tell("")
    return 128 + signal.SIGINT


def _signalled(cause: BaseException | None) -> int:
    """Return the exit status of a signal whose exception came while a class was made, as in an import.

    Python before 3.12 raises a RuntimeError in its place. 0: it was none.
    """
    if isinstance(cause, KeyboardInterrupt):
        return _interrupted()
    return cause.code if isinstance(cause, SystemExit) and isinstance(cause.code, int) else 0


def _leave(number: int, _: object) -> None:
    """End by a signal through the ordinary exits: a raw terminal is given back, a record completed."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _flush() -> None:
    """Give up a stream that cannot be written to: Python must not complain of it once more when it exits."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _tell(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _internal_fault(error: Exception) -> int:
    if "NETLAB_DEBUG" in os.environ:
        traceback.print_exception(error)
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        _tell(
            f"netlab: a fault of netlab itself: {error!r} at {frame.filename}:{frame.lineno}"
            " — NETLAB_DEBUG=1 shows the whole; please report it"
        )
    return _INTERNAL_FAULT
