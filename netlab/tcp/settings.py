"""What an endpoint may be told: sizes in bytes, times in seconds. The defaults are the RFCs' own values."""

from __future__ import annotations

from dataclasses import dataclass

from netlab.tcp.options import MAX_WINDOW_SCALE


@dataclass(frozen=True, slots=True)
class Settings:
    """How an endpoint behaves where the RFCs leave a choice; each line names the one that speaks of it.

    `mss` is what a segment may bring us: the network's MTU less 40 (IPv4) or 60 (IPv6).
    """

    mss: int = 1460  # RFC 9293, section 3.7.1
    receive_buffer: int = 1 << 17  # what the kernel holds for a script that is busy: see `link`
    send_buffer: int = 1 << 17
    window_scaling: bool = True  # RFC 7323, section 2
    timestamps: bool = True  # RFC 7323, section 3
    sack: bool = True  # RFC 2018
    nagle: bool = True  # RFC 9293, section 3.7.4: SHOULD, and MUST be possible to switch off
    delayed_ack: float = 0.2  # RFC 9293, section 3.8.6.3: less than 0.5; 0: no ACK is delayed
    override: float = 0.2  # RFC 9293, section 3.8.6.2.1: 0.1 to 1.0
    initial_segments: int = 10  # RFC 6928, section 2
    initial_rto: float = 1.0  # RFC 6298, section 2.1
    minimum_rto: float = 1.0  # RFC 6298, section 2.4
    maximum_rto: float = 60.0  # RFC 6298, section 2.5
    user_timeout: float = 100.0  # RFC 9293, section 3.8.3, R2
    msl: float = 30.0  # RFC 9293, section 3.4.2, has two minutes; Linux's TIME-WAIT is 60 s, too
    fin_wait_2: float = 60.0  # no RFC: how long a peer that falls silent may leave its side open

    @property
    def window_shift(self) -> int:
        """The smallest window scale with which the whole buffer can be offered (RFC 7323, section 2.3)."""
        return min(max(0, self.receive_buffer.bit_length() - 16), MAX_WINDOW_SCALE)


DEFAULTS = Settings()
