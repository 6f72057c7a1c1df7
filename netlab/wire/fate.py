"""What a wire does to a packet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Released:
    """A packet that was held back, `number` as its Fate has it, and now goes on, or has to.

    Only now is it known what became of it: `remark` says so, and `deliveries` are its copies.
    """

    number: int
    sent: bool
    frame: bytes  # as it came
    deliveries: tuple[tuple[int, bytes], ...]
    remark: str


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a packet, and of those that waited for it to pass.

    `deliveries` are what goes on in its direction: when, in ns on the clock that the packet's own time came
    from, and the frame as it then is. First come the packet's own copies, none where it is dropped or held
    back, then those of `released`. Of two at the same time, the one that was returned first goes first.
    `remark` is what the trace says of the packet itself, as "dropped by wire" or "held 200 ms by wire"; empty
    where it went on at once and as it was, or is held back: then `held` is its number, from 1.
    """

    deliveries: tuple[tuple[int, bytes], ...]
    remark: str = ""
    is_dropped: bool = False
    held: int = 0
    released: tuple[Released, ...] = ()

    @property
    def own(self) -> tuple[tuple[int, bytes], ...]:
        """The packet's own copies."""
        return self.deliveries[: len(self.deliveries) - sum(len(one.deliveries) for one in self.released)]
