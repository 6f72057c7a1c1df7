"""How much may be under way for the network's sake: RFC 5681, RFC 6582 (NewReno), RFC 6928, RFC 3042."""

from __future__ import annotations

from dataclasses import dataclass

_MANY_DUPLICATES = 3
_UNLIMITED = 1 << 40


def initial_window(mss: int, segments: int) -> int:
    """Return how much may be sent at first; with ten segments this is RFC 6928, section 2, to the letter."""
    return min(segments * mss, max(2 * mss, segments * 1460))


@dataclass(slots=True)
class Congestion:
    """The congestion window and its rules; all sizes in bytes, `recover` is a sequence number."""

    mss: int
    recover: int
    window: int = 0  # cwnd
    threshold: int = _UNLIMITED  # ssthresh
    duplicates: int = 0
    flight: int = 0  # what was under way when the first of them came
    recovering: bool = False  # in fast recovery
    acknowledged: int = 0  # since the window last grew in congestion avoidance

    def begin(self, mss: int, segments: int, *, syn_was_lost: bool) -> None:
        """Set the initial window; it is one segment where the SYN was lost (RFC 5681, section 3.1)."""
        self.mss = mss
        self.window = mss if syn_was_lost else initial_window(mss, segments)

    @property
    def allowed(self) -> int:
        """How much may be under way: limited transmit (RFC 3042) adds a segment for each early duplicate."""
        if self.recovering or self.duplicates >= _MANY_DUPLICATES:
            return self.window
        return self.window + self.duplicates * self.mss

    def on_progress(self, acked: int, una: int, flight: int) -> bool:
        """Take an ACK of `acked` new bytes, up to `una`, `flight` being still out; True if it is partial."""
        self.duplicates = 0
        if not self.recovering:
            self._grow(acked)
            return False
        if una > self.recover:  # RFC 6582, section 3.2, step 3: a full acknowledgment
            self.window = min(self.threshold, max(flight, self.mss) + self.mss)
            self.recovering = False
            return False
        self.window = max(self.window - acked, 0) + (self.mss if acked >= self.mss else 0)
        self.window = max(self.window, self.mss)
        return True

    def _grow(self, acked: int) -> None:
        if self.window < self.threshold:  # slow start: RFC 5681, section 3.1, equation 2
            self.window += min(acked, self.mss)
            return
        self.acknowledged += acked
        if self.acknowledged >= self.window:  # congestion avoidance: a segment for each window's worth
            self.acknowledged -= self.window
            self.window += self.mss

    def on_duplicate(self, una: int, nxt: int, flight: int) -> bool:
        """Take a duplicate ACK; True if it begins fast retransmit (RFC 6582, section 3.2, step 2)."""
        self.duplicates += 1
        if self.duplicates == 1:
            self.flight = flight
        if self.recovering:  # RFC 5681, section 3.2, step 4: another segment has left the network
            self.window += self.mss
            return False
        if self.duplicates != _MANY_DUPLICATES or una - 1 <= self.recover:
            return False
        self.recover = nxt - 1
        self.recovering = True
        self.threshold = max(self.flight // 2, 2 * self.mss)  # without what limited transmit has added
        self.window = self.threshold + _MANY_DUPLICATES * self.mss
        return True

    def on_timeout(self, nxt: int, flight: int, *, again: bool) -> None:
        """Begin anew with one segment (RFC 5681, section 3.1; RFC 6582, section 3.2, step 4).

        The threshold is of the first loss; `again` says that the same segment had timed out before.
        """
        if not again:
            self.threshold = max(flight // 2, 2 * self.mss)
        self.window = self.mss
        self.recover = nxt - 1
        self.recovering = False
        self.duplicates = 0

    def after_idleness(self, segments: int) -> None:
        """Begin as at first after a pause longer than RTO (RFC 5681, section 4.1)."""
        self.window = min(self.window, initial_window(self.mss, segments))
