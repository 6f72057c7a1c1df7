"""What a node is given besides its network: environment, kernel parameters, files, start-up commands, limits.

Its counterpart is `netlab.topology.provisions`, which reads it from a file.
"""

from __future__ import annotations

from dataclasses import dataclass

READY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file that only its node sees; `origin` is the file that it was read from, None: the topology."""

    path: str
    data: bytes
    mode: int = 0o644
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class PortOpen:
    """Ready when a socket of the node is bound to a port; one of TCP's must listen there."""

    port: int
    transport: str = "tcp"

    def __str__(self) -> str:
        return f"{self.transport} port {self.port} is open"


@dataclass(frozen=True, slots=True)
class LogMatches:
    """Ready when a line of what the command has written matches a regular expression."""

    pattern: str

    def __str__(self) -> str:
        return f"its log matches {self.pattern!r}"


@dataclass(frozen=True, slots=True)
class Succeeds:
    """Ready when another command, run in the node again and again, ends with status 0."""

    argv: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' '.join(self.argv)} succeeds"


Ready = PortOpen | LogMatches | Succeeds


@dataclass(frozen=True, slots=True)
class Startup:
    """A command that runs before the lab is ready.

    Without `ready` it must end, with status 0, `within` so many seconds; else it must become ready in them.
    """

    argv: tuple[str, ...]
    ready: Ready | None = None
    within: int = READY_SECONDS


@dataclass(frozen=True, slots=True)
class Limits:
    """What each command of a node may use: bytes of address space, processes, seconds of CPU, open files."""

    memory: int | None = None
    processes: int | None = None
    cpu_seconds: int | None = None
    files: int | None = None


@dataclass(frozen=True, slots=True)
class Provisions:
    """All that one node is given; `environment` and `sysctls` are pairs, in the order of the file."""

    environment: tuple[tuple[str, str], ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    files: tuple[GivenFile, ...] = ()
    start: tuple[Startup, ...] = ()
    limits: Limits = Limits()
