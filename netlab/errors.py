"""Everything netlab can say went wrong, in one tree; only the CLI catches it and exits.

NetlabError                     exit status 1
├── InputError                  2    a file the user wrote: one or more faults, each with its place
├── UsageError                  2    a word on the command line, a name that does not exist
├── CaptureError                2    a capture that is damaged, is none, or holds no packets
├── MachineError                3    the machine refused or lacks something; the hint is the cure
├── LabError                    1    a lab failed to start, broke, or is not there
│   └── ServiceError            1    a service died or never became ready; carries its last log lines
├── TimeLimitError            124    a command outlived its stated limit
└── CommandNotFoundError      127    as a shell has it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file the user wrote; `line` and `column` count from 1, as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake: where, what, what to do; `text` is the line, `width` how many characters to underline."""

    place: Place
    what: str
    hint: str
    text: str = ""
    width: int = 1

    def __str__(self) -> str:
        head = f"{self.place}: {self.what} — {self.hint}"
        if not self.text.strip():
            return head
        # Tabs are kept in the margin so that the caret stands under its token in any terminal.
        margin = "".join("\t" if c == "\t" else " " for c in self.text[: self.place.column - 1])
        return f"{head}\n    {self.text}\n    {margin}{'^' * max(1, self.width)}"


class NetlabError(Exception):
    """The root: `what` happened, and `hint`, what to do about it."""

    exit_status = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} — {self.hint}" if self.hint else self.what


class InputError(NetlabError):
    """A file has faults; all of them are here, in order of line."""

    exit_status = 2

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.place))
        super().__init__("\n".join(map(str, self.faults)))


class UsageError(NetlabError):
    """The command line names something that does not exist or does not go together."""

    exit_status = 2


class CaptureError(NetlabError):
    """A recording cannot be read, or proves nothing: it is damaged, empty, or of another kind."""

    exit_status = 2


class MachineError(NetlabError):
    """The kernel, a limit or a missing program stands in the way."""

    exit_status = 3


class LabError(NetlabError):
    """A lab could not be started, broke while it ran, or is not there."""


class ServiceError(LabError):
    """A service of a node failed; `log` holds its last lines."""

    def __init__(self, what: str, hint: str = "", log: Sequence[str] = ()) -> None:
        super().__init__(what, hint)
        self.log = tuple(log)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"    {line}" for line in self.log)])


class TimeLimitError(LabError):
    """A command was ended because it outlived its limit."""

    exit_status = 124


class CommandNotFoundError(LabError):
    """No such program in the node."""

    exit_status = 127
