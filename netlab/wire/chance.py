"""Seeded impairments: what chance does to a packet, the same in every run.

A packet's draw comes from the seed, its direction, its flow (`packet.Packet.flow`: protocol, addresses, the
lower port unless a kernel gave it out), whether it has data, and how many such packets came before it. So it
does not depend on how directions, flows, or data and mere acknowledgments interleave, nor on what kernels
draw: the ports of their clients, initial sequence numbers, IP ids. What remains: connections between the same
hosts to the same port at the same time share one count, and a kernel may acknowledge more or less often.

Each impairment has a number of its own out of a packet's draw: to change one leaves the others as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from netlab.topology.wires import Burst, Chance
from netlab.wire.packet import Packet

# One digest is eight numbers of 64 bits.
_NUMBERS = Struct("<8Q")
_ORDINAL = Struct("<Q")
_ONE = 1 << 64
MAX_FLOWS = 1 << 16  # what comes then (a flood from made-up addresses) is one flow to the dice


class Luck(NamedTuple):
    """What chance has for a packet; `flip` is a bit of what is behind the Ethernet header, None: it stays.

    `jitter` is in ns, to be added to the delay, and may be less than 0.
    """

    lost: bool = False
    twice: bool = False
    late: bool = False
    flip: int | None = None
    jitter: int = 0


NO_LUCK = Luck()


@dataclass(slots=True)
class _Flow:
    """How many packets of a flow have come, and whether Gilbert–Elliott's chain stands in its bad state.

    The chain is the flow's: one of the whole direction would depend on how its flows interleave.
    """

    count: int = 0
    is_bad: bool = False


class Dice:
    """Chance in one direction of a cable; `name` tells the directions of one seed apart."""

    def __init__(self, seed: int, name: str, chance: Chance) -> None:
        self._hash = blake2b(key=seed.to_bytes(8, "big"), person=name.encode(), digest_size=_NUMBERS.size)
        self._flows: dict[bytes, _Flow] = {}
        self._loss, self._duplicate, self._reorder, self._corrupt = (
            _threshold(one) for one in (chance.loss, chance.duplicate, chance.reorder, chance.corrupt)
        )
        self._burst = None if chance.burst is None else _Thresholds.of(chance.burst)
        self._jitter = round(chance.jitter * 1e9)
        # Where nothing is left to chance, no packet need be looked at.
        self.is_thrown = bool(
            self._loss or self._duplicate or self._reorder or self._corrupt or self._burst or self._jitter
        )

    def throw(self, packet: Packet, length: int) -> Luck:
        """Return what befalls a packet, the next of its flow; `length` is its frame's, in bytes."""
        key = packet.flow + (b"\1" if packet.payload < packet.end else b"\0")
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows.setdefault(key if len(self._flows) < MAX_FLOWS else b"", _Flow())
        hashed = self._hash.copy()
        hashed.update(key + _ORDINAL.pack(flow.count))
        flow.count += 1
        loss, turn, in_state, copy, swap, flip, where, spread = _NUMBERS.unpack(hashed.digest())
        lost = loss < self._loss
        if self._burst is not None:
            flow.is_bad = turn >= self._burst.leave if flow.is_bad else turn < self._burst.enter
            lost = lost or in_state < (self._burst.bad if flow.is_bad else self._burst.good)
        bit = None
        if flip < self._corrupt and length > 14:
            bit = where % ((length - 14) * 8)
        jitter = (spread * (2 * self._jitter + 1) >> 64) - self._jitter if self._jitter else 0
        return Luck(lost, copy < self._duplicate, swap < self._reorder, bit, jitter)


@dataclass(frozen=True, slots=True)
class _Thresholds:
    """A burst's chances, as numbers below which a draw of 64 bits means yes."""

    enter: int
    leave: int
    bad: int
    good: int

    @classmethod
    def of(cls, burst: Burst) -> _Thresholds:
        return cls(*(_threshold(one) for one in (burst.enter, burst.leave, burst.bad, burst.good)))


def _threshold(chance: float) -> int:
    return round(chance * _ONE)
