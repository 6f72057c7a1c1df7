"""What a wire does to a packet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a packet: when each of its copies goes on, as it then is; none: it is dropped.

    Times are ns on the clock that the packet's own came from. `remark` is what the trace says of it, as
    "dropped by wire" or "held 200 ms by wire"; empty where it went on at once and as it was.
    """

    deliveries: tuple[tuple[int, bytes], ...]
    remark: str = ""
