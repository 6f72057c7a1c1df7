"""The sending half: what waits, what is under way, and what may go now (RFC 9293, sections 3.8 and 3.8.6).

Its counterpart is `receive`. All numbers are sequence numbers that do not wrap; see `sequence`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from netlab.tcp.congestion import Congestion
from netlab.tcp.rto import Rto
from netlab.tcp.settings import Settings


@dataclass(slots=True)
class Sent:
    """A segment that is under way, from `start` to before `end`, in the retransmission queue.

    `sacked`: the peer has it, out of order. `lost`: to be sent again when there is room. `repaired`: sent
    again in this recovery already. `at` is when it was sent first.
    """

    start: int
    end: int
    at: float
    sendings: int = 1
    sacked: bool = False
    lost: bool = False
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """What a segment is to carry; `seq` is the number of its SYN, or of its first byte."""

    seq: int
    data: bytes = b""
    syn: bool = False
    fin: bool = False
    push: bool = False


@dataclass(slots=True)
class Progress:
    """What an acknowledgment brought: how many numbers, and a round trip's time where one was measured."""

    acked: int
    round_trip: float | None = None


@dataclass(slots=True)
class Sender:
    """SND.UNA, SND.NXT, SND.WND and their like, the bytes to send, and the retransmission queue.

    `text` begins at SND.UNA, or after the SYN as long as that is not acknowledged.
    """

    iss: int
    settings: Settings
    una: int = 0
    nxt: int = 0
    window: int = 0  # SND.WND
    window_seq: int = 0  # SND.WL1
    window_ack: int = 0  # SND.WL2
    largest_window: int = 0  # Max(SND.WND); RFC 5961 calls it MAX.SND.WND
    mss: int = 536  # bytes of text in a full segment, options considered
    text: bytearray = field(default_factory=bytearray)
    fin: int | None = None  # the number of FIN, once CLOSE was called
    queue: deque[Sent] = field(default_factory=deque)
    repair: Sent | None = None  # to be sent again now, whatever the congestion window says
    forced: bool = False  # a segment goes now however small it is: the persist timer has expired
    syn_was_lost: bool = False  # as far as the timer knows
    last_sent: float = 0.0
    rto: Rto = field(init=False)
    congestion: Congestion = field(init=False)

    def __post_init__(self) -> None:
        self.una = self.nxt = self.iss
        self.rto = Rto(self.settings)
        # RFC 6582 has ISS; with the number before it, the loss of the first text is repaired quickly, too.
        self.congestion = Congestion(self.mss, recover=self.iss - 1, window=self.mss)

    # -- what the user does ------------------------------------------------------------------------

    def write(self, data: bytes) -> int:
        """Take what there is room for, and say how much that was."""
        taken = data[: max(0, self.settings.send_buffer - len(self.text))]
        self.text += taken
        return len(taken)

    def close(self) -> None:
        """Let FIN follow the last byte."""
        if self.fin is None:
            self.fin = self.end

    @property
    def text_start(self) -> int:
        """The number of the first byte that is held."""
        return max(self.una, self.iss + 1)

    @property
    def end(self) -> int:
        """The number after the last byte that was written."""
        return self.text_start + len(self.text)

    @property
    def fin_is_acked(self) -> bool:
        """Whether the peer has acknowledged our FIN."""
        return self.fin is not None and self.una > self.fin

    @property
    def waits(self) -> bool:
        """Whether there is something to send that was never sent: text, or FIN."""
        if not self.text and self.fin is None:
            return False
        return self.nxt < self.end or (self.fin is not None and self.nxt <= self.fin)

    # -- what acknowledgments say ------------------------------------------------------------------

    def acknowledge(self, ack: int, now: float) -> Progress:
        """Move SND.UNA up to `ack`, which is acceptable; what it covers leaves the queue.

        A round trip is measured with segments that were sent once (Karn's algorithm: RFC 6298, section 3).
        """
        progress = Progress(ack - self.una)
        once = True
        while self.queue and self.queue[0].end <= ack:
            entry = self.queue.popleft()
            once = once and entry.sendings == 1
            progress.round_trip = now - entry.at if once and not entry.sacked else None
        if self.queue and self.queue[0].start < ack:
            self.queue[0].start = ack
        del self.text[: max(0, ack - self.text_start)]
        self.una = ack
        return progress

    def take_window(self, window: int, seq: int, ack: int) -> bool:
        """Take SEG.WND unless the segment is older than the last one taken; True where it opens the window.

        RFC 9293, section 3.10.7.4, fifth check.
        """
        if not (self.window_seq < seq or (self.window_seq == seq and self.window_ack <= ack)):
            return False
        edge, was_closed = self.window_ack + self.window, self.window == 0
        self.window, self.window_seq, self.window_ack = window, seq, ack
        self.largest_window = max(self.largest_window, window)
        if ack + window > edge:
            # What went beyond the window, as a probe does, was most likely not taken.
            for entry in self.queue:
                entry.lost = entry.lost or (entry.end > edge and not entry.sacked)
        return was_closed and window > 0

    def take_sack(self, blocks: Iterable[tuple[int, int]]) -> None:
        """Note which segments the peer has got out of order (RFC 2018, section 5)."""
        for first, past in blocks:
            for entry in self.queue:
                if first <= entry.start and entry.end <= past:
                    entry.sacked, entry.lost = True, False

    # -- losses ------------------------------------------------------------------------------------

    @property
    def flight(self) -> int:
        """How much is under way: FlightSize (RFC 5681, section 2), less what is given up as lost."""
        return self.nxt - self.una - sum(entry.end - entry.start for entry in self.queue if entry.lost)

    def on_duplicate(self) -> None:
        """Take a duplicate ACK (RFC 5681, section 3.2); the third begins to repair, later ones go on."""
        if self.congestion.on_duplicate(self.una, self.nxt, self.flight):
            for entry in self.queue:
                entry.repaired = False
            self.repair = self._hole()
        elif self.congestion.recovering:
            self.repair = self._hole() if any(entry.sacked for entry in self.queue) else None

    def on_progress(self, acked: int) -> None:
        """Take a new ACK; what a partial one asks for next goes now (RFC 6582, section 3.2, step 3)."""
        if self.congestion.on_progress(acked, self.una, self.flight) and self.queue:
            first = self.queue[0]
            self.repair = first if not first.repaired else self._hole()

    def _hole(self) -> Sent | None:
        """Return the first segment that the peer lacks: unSACKed, and with SACKed ones after it, if any."""
        missing = [entry for entry in self.queue if not entry.sacked and not entry.repaired]
        highest = max((entry.start for entry in self.queue if entry.sacked), default=None)
        if not missing or (highest is not None and missing[0].start > highest):
            return None
        return missing[0]

    def on_timeout(self) -> None:
        """Let the earliest go again: the retransmission timer has expired (RFC 6298, section 5.4).

        All else counts as lost, what was SACKed too: the peer may have thrown it away (RFC 2018, section 8).
        """
        probing = self.window == 0
        self.syn_was_lost = self.syn_was_lost or self.una == self.iss
        if not probing:
            self.congestion.on_timeout(self.nxt, self.flight, again=self.rto.doublings > 0)
            for entry in self.queue:
                entry.sacked, entry.lost, entry.repaired = False, True, False
        self.repair = self.queue[0]
        self.rto.back_off()

    def resegment(self, mss: int) -> None:
        """Send no larger segments than this from now on; cut those that are under way, which were lost."""
        self.mss = self.congestion.mss = mss
        pieces: deque[Sent] = deque()
        for entry in self.queue:
            for start in range(entry.start, entry.end, mss):
                cut = Sent(start, min(start + mss, entry.end), entry.at, entry.sendings, entry.sacked)
                cut.lost = not entry.sacked
                pieces.append(cut)
        self.queue, self.repair = pieces, None

    # -- what goes out -----------------------------------------------------------------------------

    def open(self, now: float) -> None:
        """Put our SYN into the queue as if lost, so that it goes at once."""
        self.queue.append(Sent(self.iss, self.iss + 1, now, sendings=0))
        self.repair = self.queue[0]
        self.nxt = self.iss + 1

    def pieces(self, now: float) -> Iterator[Piece]:
        """Yield what may be sent now: first what is to be repaired, then what is lost, then what is new."""
        if self.repair is not None:
            yield self._again(self.repair, now)
        if any(entry.lost for entry in self.queue):
            yield from self._lost(now)
        while (length := self._new_length(now)) is not None:
            yield self._new(length, now)

    def _lost(self, now: float) -> Iterator[Piece]:
        """Yield what is lost as far as both windows allow."""
        for entry in [entry for entry in self.queue if entry.lost]:
            size = entry.end - entry.start
            if self.flight + size > self.congestion.window or entry.end > self.una + self.window:
                return
            yield self._again(entry, now)

    def _again(self, entry: Sent, now: float) -> Piece:
        if entry is self.repair:
            self.repair = None
        entry.lost, entry.repaired = False, True
        entry.sendings += 1
        if entry.sendings == 1:
            entry.at = now
        self.last_sent = now
        return self._piece(entry)

    def _new(self, length: int, now: float) -> Piece:
        end = self.nxt + length
        entry = Sent(self.nxt, end + (self.fin == end), now)
        self.queue.append(entry)
        self.nxt = entry.end
        self.last_sent, self.forced = now, False
        return self._piece(entry)

    def _piece(self, entry: Sent) -> Piece:
        """Cut a segment's bytes from the text; PSH goes with the last byte there is (RFC 9293, 3.9.1.2)."""
        start = self.text_start
        data = bytes(self.text[max(0, entry.start - start) : max(0, entry.end - start)])
        fin = self.fin is not None and entry.end == self.fin + 1
        push = bool(data) and entry.end - fin == self.end
        return Piece(entry.start, data, syn=entry.start == self.iss, fin=fin, push=push)

    def _new_length(self, now: float) -> int | None:
        """Return how much new text goes now, 0 for a mere FIN; None: nothing goes yet."""
        if not self.waits or (self.text and self.una == self.iss):
            return None
        waiting = self.end - self.nxt
        idle = self.una == self.nxt
        if idle and now - self.last_sent > self.rto.seconds:
            self.congestion.after_idleness(self.settings.initial_segments)
        if self.forced:
            return min(waiting, max(1, self.window), self.mss)
        room = min(self.una + self.window - self.nxt, self.congestion.allowed - self.flight)
        length = min(waiting, room, self.mss)
        return length if room > 0 and self._is_worth_it(length, waiting, idle=idle) else None

    def _is_worth_it(self, length: int, waiting: int, *, idle: bool) -> bool:
        """Avoid silly windows: the conditions of RFC 9293, section 3.8.6.2.1, Nagle's among them (3.7.4).

        What FIN ends has nothing to wait for: no more will be written.
        """
        all_of_it = length == waiting and (idle or not self.settings.nagle or self.fin is not None)
        return length == self.mss or all_of_it or (idle and length >= self.largest_window // 2)
