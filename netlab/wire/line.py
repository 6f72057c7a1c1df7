"""A direction of a cable as a line: how long a frame takes onto it and over it, in the order they came."""

from __future__ import annotations

QUEUE = 65536  # bytes that may wait for a line of limited rate; at 1 Mbit/s they take half a second


class Line:
    """A first-in, first-out line of so many bits a second, None: without limit; `delay` is in ns.

    A frame counts from its Ethernet header to its end, as the kernel counts it.
    """

    def __init__(self, rate: int | None, delay: int) -> None:
        self.delay = delay
        self.off = 0  # when the last frame that it took is off the sender: what it is held begins there
        self._rate = rate
        self._free = 0  # when the last frame is off the sender
        self._last = 0  # when the last frame arrives

    def arrival(self, length: int, now_ns: int, jitter: int) -> int | None:
        """Return when a frame of that length arrives that is sent now; None where the queue is full.

        None arrives before one that was sent earlier: jitter alone does not reorder, but holds the next ones
        for longer.
        """
        off = now_ns
        if self._rate is not None:
            off = max(now_ns, self._free)
            if (off - now_ns) * self._rate >= QUEUE * 8_000_000_000:
                return None
            off += length * 8_000_000_000 // self._rate
            self._free = off
        self.off = off
        self._last = max(self._last, off + self.delay + jitter)
        return self._last
