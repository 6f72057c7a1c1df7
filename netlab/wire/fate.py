"""What a wire does to a packet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a packet, and of those that waited for it to pass.

    `deliveries` are what goes on in its direction: when, in ns on the clock that the packet's own time came
    from, and the frame as it then is. First come the packet's own copies, none where it is dropped or held
    back, then packets held back earlier. Of two at the same time, the one that was returned first goes first.
    `remark` is what the trace says of the packet itself, as "dropped by wire" or "held 200 ms by wire"; empty
    where it went on at once and as it was.
    """

    deliveries: tuple[tuple[int, bytes], ...]
    remark: str = ""
