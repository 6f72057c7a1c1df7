"""How long to wait for an acknowledgment: RFC 6298, section 2."""

from __future__ import annotations

from dataclasses import dataclass

from netlab.tcp.settings import Settings

_ALPHA, _BETA, _K = 1 / 8, 1 / 4, 4
_GRANULARITY = 0.001  # G, seconds
_AFTER_LOST_SYN = 3.0  # section 5.7


@dataclass(slots=True)
class Rto:
    """The retransmission timeout; `seconds` is what to wait now."""

    settings: Settings
    smoothed: float | None = None  # SRTT
    variation: float = 0.0  # RTTVAR
    computed: float = 0.0
    doublings: int = 0

    def __post_init__(self) -> None:
        self.computed = self.settings.initial_rto

    @property
    def seconds(self) -> float:
        """RTO, with what backing off has made of it (5.5)."""
        return min(self.computed * (1 << self.doublings), self.settings.maximum_rto)

    def sample(self, round_trip: float) -> None:
        """Take a round trip's time in seconds (2.2, 2.3); RTO is then as computed, no longer backed off."""
        if self.smoothed is None:
            self.smoothed, self.variation = round_trip, round_trip / 2
        else:
            difference = abs(self.smoothed - round_trip)
            self.variation = (1 - _BETA) * self.variation + _BETA * difference
            self.smoothed = (1 - _ALPHA) * self.smoothed + _ALPHA * round_trip
        wanted = self.smoothed + max(_GRANULARITY, _K * self.variation)
        self.computed = max(wanted, self.settings.minimum_rto)
        self.doublings = 0

    def back_off(self) -> None:
        """Double it (5.5)."""
        if self.computed * (1 << self.doublings) < self.settings.maximum_rto:
            self.doublings += 1

    def after_lost_syn(self) -> None:
        """Begin with 3 seconds where the timer has expired for a SYN (5.7)."""
        self.computed = max(self.computed, _AFTER_LOST_SYN)
        self.doublings = 0

    def forget_backing_off(self) -> None:
        """Go back to what was computed: the silence was a closed window's, and no loss."""
        self.doublings = 0
