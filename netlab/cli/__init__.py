"""The command line: translates arguments, prints and exits; nothing else in netlab does."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence

from netlab.errors import NetlabError

_INTERNAL_FAULT = 70  # EX_SOFTWARE of sysexits.h


def main() -> None:
    """Run the `netlab` command."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status; every error becomes its sentence on standard error."""
    import click

    from netlab.cli.app import app

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        status = app(list(arguments), prog_name="netlab", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except NetlabError as error:
        print(f"netlab: {error}" if error.exit_status != 2 else error, file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        # Whoever read our output has left; Python must not complain of it once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        return _internal_fault(error)
    return status if isinstance(status, int) else 0


def _leave(number: int, _: object) -> None:
    """End by a signal through the ordinary exits, so that a terminal in raw mode is given back."""
    sys.exit(128 + number)


def _internal_fault(error: Exception) -> int:
    if "NETLAB_DEBUG" in os.environ:
        traceback.print_exc()
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        print(
            f"netlab: a fault of netlab itself: {error!r} at {frame.filename}:{frame.lineno}"
            " — NETLAB_DEBUG=1 shows the whole; please report it",
            file=sys.stderr,
        )
    return _INTERNAL_FAULT
