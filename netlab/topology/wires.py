"""What is to happen to the packets on a node's cable, as it was asked for.

`netlab.wire` does it in user space, the kernel's netem (`engine: netem`) some of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ENGINES = ("user", "netem")
ACTIONS = ("drop", "delay", "duplicate", "reorder", "corrupt", "truncate")


@dataclass(frozen=True, slots=True)
class Match:
    """Which packets: all that is given must fit.

    `sent` tells the node's own packets from those to it; `protocol` is one of `recordings.PROTOCOLS`; `flags`
    are TCP's that must be set ("syn", "ack", …), `clear` those that must not; `data` is whether it has any.
    """

    sent: bool | None = None
    protocol: str | None = None
    flags: frozenset[str] = frozenset()
    clear: frozenset[str] = frozenset()
    data: bool | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A scripted impairment: `action` on the `nth` packet that matches, from 1; None: on each of them.

    `by` is a delay's length in seconds, a reordering's in packets; `to` is what a truncation leaves, in bytes
    of the IP packet.
    """

    action: str
    match: Match
    nth: int | None
    by: float | None = None
    to: int | None = None


@dataclass(frozen=True, slots=True)
class Burst:
    """Gilbert–Elliott: the chances of going bad and of recovering, per packet, and of loss in each state."""

    enter: float
    leave: float
    bad: float = 1.0
    good: float = 0.0


@dataclass(frozen=True, slots=True)
class Chance:
    """Seeded impairments of one direction: chances from 0 to 1, times in seconds, `rate` in bits a second."""

    loss: float = 0.0
    burst: Burst | None = None
    delay: float = 0.0
    jitter: float = 0.0
    rate: int | None = None
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0


@dataclass(frozen=True, slots=True)
class Wire:
    """A cable's impairments: the script first, then chance, apart for what the node sends and what it gets.

    `seed` None: the plan derives one from the lab's seed and the cable's name.
    """

    script: tuple[Step, ...] = ()
    sent: Chance = field(default_factory=Chance)
    received: Chance = field(default_factory=Chance)
    seed: int | None = None
    engine: str = "user"
