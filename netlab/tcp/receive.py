"""The receiving half: bytes put in order, and what to tell the sender (RFC 9293, section 3.8.6; RFC 2018).

Its counterpart is `send`. All numbers are sequence numbers that do not wrap; see `sequence`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from netlab.tcp.settings import Settings

_SEGMENTS_PER_ACK = 2  # RFC 9293, section 3.8.6.3


@dataclass(slots=True)
class Early:
    """Bytes that have come before their turn; none of them touch each other."""

    start: int
    data: bytearray

    @property
    def end(self) -> int:
        """The number after the last of them."""
        return self.start + len(self.data)


@dataclass(slots=True)
class Receiver:
    """RCV.NXT, RCV.WND, what the user has not read yet, and what came before its turn.

    `edge` is RCV.NXT + RCV.WND: the peer may send up to there, and it never moves back. `early` has what came
    last first, which is the order of SACK blocks.
    """

    irs: int
    settings: Settings
    most: int = 0  # what can be offered at once: the buffer, or what the window field can say
    mss: int = 0  # bytes of text in a full segment
    nxt: int = 0
    edge: int = 0
    text: bytearray = field(default_factory=bytearray)
    early: list[Early] = field(default_factory=list)
    fin: int | None = None  # the number of the peer's FIN, once it is known
    ack_is_due: bool = False
    unacknowledged: int = 0  # segments with text since the last ACK
    acked: int = 0  # Last.ACK.sent of RFC 7323

    def __post_init__(self) -> None:
        self.nxt = self.acked = self.irs + 1
        self.most = self.most or self.settings.receive_buffer
        self.mss = self.mss or self.settings.mss
        self.edge = self.nxt + self.most

    @property
    def window(self) -> int:
        """RCV.WND."""
        return max(0, self.edge - self.nxt)

    @property
    def is_finished(self) -> bool:
        """Whether the peer's FIN has come, and every byte before it."""
        return self.fin is not None and self.nxt > self.fin

    def accepts(self, seq: int, length: int) -> bool:
        """Tell whether a part of a segment fits the window (RFC 9293, section 3.10.7.4, first check)."""
        if length == 0:
            return seq == self.nxt if self.window == 0 else self.nxt <= seq < self.edge
        return self.window > 0 and seq < self.edge and seq + length > self.nxt

    def take(self, seq: int, data: bytes, *, fin: bool) -> None:
        """Take a segment's text, as much of it as is new and within the window (3.10.7.4, seventh check).

        Where segments overlap, the bytes that came first stay. What comes out of order, or fills a gap, is
        acknowledged at once (RFC 5681, section 4.2), the rest later or with the second segment.
        """
        end = seq + len(data)
        if fin:
            self.ack_is_due = True
            if self.fin is None and self.nxt <= end < self.edge:
                self.fin = end
        start, past = max(seq, self.nxt), self.edge if self.fin is None else self.fin
        data = data[start - seq : max(0, past - seq)]
        if start > self.nxt or self.early:
            self.ack_is_due = True
        if data and start == self.nxt and not self.early:
            self.text += data
            self.nxt += len(data)
            self.unacknowledged += 1
        elif data:
            self._keep(Early(start, bytearray(data)))
        self._join()
        if self.unacknowledged >= _SEGMENTS_PER_ACK or (
            self.unacknowledged and not self.settings.delayed_ack
        ):
            self.ack_is_due = True

    def _keep(self, new: Early) -> None:
        """Put early bytes first, joined with all that they touch."""
        joining, apart = [new], list[Early]()
        for each in self.early:
            (apart if each.end < new.start or each.start > new.end else joining).append(each)
        start = min(each.start for each in joining)
        joined = bytearray(max(each.end for each in joining) - start)
        for each in joining:  # what was there before is written last, and stays
            joined[each.start - start : each.end - start] = each.data
        self.early = [Early(start, joined), *apart]

    def _join(self) -> None:
        """Move to the text what is no longer early, and count FIN once it is its turn."""
        for each in [each for each in self.early if each.start == self.nxt]:
            self.text += each.data
            self.nxt = each.end
            self.early.remove(each)
        if self.fin == self.nxt:
            self.nxt += 1
            self.ack_is_due = True

    def read(self, most: int) -> bytes:
        """Hand over text to the user; where that doubles the window that the peer knows of, an ACK is due.

        RFC 9293, section 3.8.6.2.2, says how much it must grow at least, not when to tell unasked.
        """
        data = bytes(self.text[:most])
        del self.text[:most]
        wanted = self._wanted_edge()
        is_worth_it = wanted - self.nxt >= 2 * self.window and wanted - self.edge >= min(
            self.mss, self.most // 2
        )
        if is_worth_it and not self.is_finished:
            self.ack_is_due = True
        return data

    def offer(self) -> int:
        """Return RCV.WND for a segment that is sent now; it grows by worthwhile steps alone.

        RFC 9293, section 3.8.6.2.2: by a segment or half the buffer at least.
        """
        wanted = self._wanted_edge()
        if wanted - self.edge >= min(self.mss, self.most // 2):
            self.edge = wanted
        return self.window

    def _wanted_edge(self) -> int:
        return self.nxt + min(self.settings.receive_buffer - len(self.text), self.most)

    def blocks(self, most: int) -> tuple[tuple[int, int], ...]:
        """Return the SACK blocks, the one that grew last first (RFC 2018, section 4)."""
        return tuple((each.start, each.end) for each in self.early[:most])

    def acknowledged(self) -> None:
        """Note that an ACK of all that is here has been sent."""
        self.ack_is_due = False
        self.unacknowledged = 0
        self.acked = self.nxt
