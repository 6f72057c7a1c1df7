"""The transmission control block (RFC 9293, section 3.3.1): a connection's state, and every segment it sends.

`arrival` and `endpoint` decide; here is what they decide about, and how a segment comes to be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from netlab.tcp import segment as wire
from netlab.tcp.options import NO_OPTIONS, SPACE_FOR_OPTIONS, TIMESTAMPS_LENGTH, Options
from netlab.tcp.receive import Receiver
from netlab.tcp.segment import Segment
from netlab.tcp.send import Piece, Sender
from netlab.tcp.sequence import unwrap, wrap
from netlab.tcp.settings import Settings
from netlab.tcp.states import HAS_CLOSED, SYNCHRONIZED, Event, State, after

_LARGEST_FIELD = 0xFFFF  # of the window, unscaled
_DEFAULT_MSS, _DEFAULT_MSS_V6 = 536, 1220  # RFC 9293, section 3.7.1: of a SYN without the option
_CHALLENGES, _CHALLENGE_SECONDS = 10, 5.0  # RFC 5961, section 7


class Timer(Enum):
    """What a connection waits for."""

    RETRANSMISSION = "retransmission"
    PERSIST = "persist"  # also the override timeout of RFC 9293, section 3.8.6.2.1
    DELAYED_ACK = "delayed ACK"
    USER = "user timeout"
    TIME_WAIT = "2 MSL"
    FIN_WAIT_2 = "silence in FIN-WAIT-2"


class Failure(Enum):
    """Why a connection ended before its time, in the words of RFC 9293, section 3.10."""

    REFUSED = "connection refused"
    RESET = "connection reset"
    TIMED_OUT = "connection aborted due to user timeout"
    UNREACHABLE = "destination unreachable"
    ABORTED = "connection aborted"


@dataclass(slots=True)
class Clock:
    """Our timestamp clock: milliseconds, from a number that the seed decides (RFC 7323, section 5.4)."""

    base: int

    def value(self, now: float) -> int:
        """Return TSval, not wrapped."""
        return self.base + int(now * 1000)


@dataclass(slots=True)
class Block:
    """One connection. `sender` and `receiver` are there from the first SYN on, `outbox` has what is to go.

    `peer_scale` and `scale` are Snd.Wind.Shift and Rcv.Wind.Shift; `recent` is TS.Recent, not wrapped.
    """

    settings: Settings
    local_port: int
    remote_port: int
    iss: int
    clock: Clock
    is_ipv6: bool = False
    state: State = State.CLOSED
    passive: bool = False
    sender: Sender = field(init=False)
    receiver: Receiver | None = None
    failure: Failure | None = None
    advice: str = ""  # what ICMP said that did not end the connection
    outbox: list[Segment] = field(default_factory=list)
    timers: dict[Timer, float] = field(default_factory=dict)
    history: list[State] = field(default_factory=list)  # every state since CLOSED
    scaling: bool = False
    scale: int = 0
    peer_scale: int = 0
    sack: bool = False
    timestamps: bool = False
    recent: int = 0
    recent_at: float = 0.0
    challenges: list[float] = field(default_factory=list)
    postponed: Segment | None = None  # a SYN with text: that is for after the handshake
    close_is_pending: bool = False

    def __post_init__(self) -> None:
        self.sender = Sender(self.iss, self.settings)

    # -- state -------------------------------------------------------------------------------------

    def move(self, event: Event, now: float) -> None:
        """Change the state as the table says; KeyError if it does not allow it."""
        self.state = after(self.state, event)
        self.history.append(self.state)
        if self.state is State.CLOSED:
            self.timers.clear()
        elif self.state is State.TIME_WAIT:
            self.timers.clear()
            self.wait_2msl(now)
        elif self.state is State.FIN_WAIT_2:
            self.timers[Timer.FIN_WAIT_2] = now + self.settings.fin_wait_2

    def wait_2msl(self, now: float) -> None:
        """Start the time-wait timer, or start it again."""
        self.timers[Timer.TIME_WAIT] = now + 2 * self.settings.msl

    def end(self, failure: Failure, now: float) -> None:
        """Delete the connection; what was to be sent is forgotten."""
        self.failure = failure
        self.move(Event.END, now)

    def listen_again(self, now: float) -> None:
        """Forget who had called: a passive open goes on waiting."""
        self.move(Event.BACK_TO_LISTEN, now)
        self.sender, self.receiver, self.postponed = Sender(self.iss, self.settings), None, None
        self.remote_port = 0
        self.timers.clear()

    def begin_receiving(self, segment: Segment, now: float) -> None:
        """Take a SYN: where its sender counts from, and what it offers (RFC 9293, 3.7.1; RFC 7323)."""
        options, settings = segment.options, self.settings
        self.scaling = settings.window_scaling and options.window_scale is not None
        self.scale = settings.window_shift if self.scaling else 0
        self.peer_scale = options.window_scale or 0 if self.scaling else 0
        self.receiver = Receiver(
            segment.seq, settings, min(settings.receive_buffer, _LARGEST_FIELD << self.scale)
        )
        # The window of our SYN is not scaled: no more has been offered yet.
        self.receiver.edge = self.receiver.nxt + min(settings.receive_buffer, _LARGEST_FIELD)
        self.sack = settings.sack and options.sack_permitted
        self.timestamps = settings.timestamps and options.timestamps is not None
        if options.timestamps is not None:
            self.recent, self.recent_at = options.timestamps[0], now
        default = _DEFAULT_MSS_V6 if self.is_ipv6 else _DEFAULT_MSS
        most = min(default if options.mss is None else max(options.mss, 1), settings.mss)
        room_for_options = TIMESTAMPS_LENGTH if self.timestamps else 0
        self.sender.mss = max(1, most - room_for_options)
        self.receiver.mss = max(1, settings.mss - room_for_options)
        self.sender.take_window(segment.window, segment.seq, self.sender.una)

    def established(self) -> None:
        """Begin to send: the handshake is complete."""
        sender = self.sender
        if sender.syn_was_lost:
            sender.rto.after_lost_syn()
        segments = self.settings.initial_segments
        sender.congestion.begin(sender.mss, segments, syn_was_lost=sender.syn_was_lost)

    # -- segments ----------------------------------------------------------------------------------

    def output(self, now: float) -> None:
        """Send what may go now; then an ACK, where one is due that no segment has carried; set the timers."""
        if self.state is State.CLOSED or self.state is State.LISTEN:
            return
        receiver = self.receiver
        # Duplicate ACKs count, and have room for SACK blocks, only without text (RFC 5681, section 2).
        if receiver is not None and receiver.ack_is_due and receiver.early:
            self.send_ack(now)
        for piece in self.sender.pieces(now):
            self._send_piece(piece, now)
        if receiver is not None and receiver.ack_is_due:
            self.send_ack(now)
        self._set_timers(now)

    def _set_timers(self, now: float) -> None:
        """Let the timers run that have something to wait for (RFC 6298, 5.1 and 5.2; RFC 9293, 3.8.6.1)."""
        sender, receiver, timers = self.sender, self.receiver, self.timers
        if sender.queue:
            timers.setdefault(Timer.RETRANSMISSION, now + sender.rto.seconds)
            timers.pop(Timer.PERSIST, None)
        else:
            timers.pop(Timer.RETRANSMISSION, None)
        blocked = not sender.queue and sender.waits and self.state in SYNCHRONIZED
        if blocked:
            wait = self.settings.override if sender.window else sender.rto.seconds
            timers.setdefault(Timer.PERSIST, now + wait)
        if sender.queue or blocked:
            timers.setdefault(Timer.USER, now + self.settings.user_timeout)
        else:
            timers.pop(Timer.USER, None)
            timers.pop(Timer.PERSIST, None)
        if receiver is not None and receiver.unacknowledged:
            timers.setdefault(Timer.DELAYED_ACK, now + self.settings.delayed_ack)
        else:
            timers.pop(Timer.DELAYED_ACK, None)

    def _send_piece(self, piece: Piece, now: float) -> None:
        flags = (
            (wire.SYN if piece.syn else 0) | (wire.FIN if piece.fin else 0) | (wire.PSH if piece.push else 0)
        )
        if self.receiver is not None:
            flags |= wire.ACK
        options = self._syn_options(now) if piece.syn else self._options(now)
        self._send(piece.seq, flags, piece.data, options)

    def send_ack(self, now: float) -> None:
        """Send <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, with SACK blocks where there are gaps."""
        self._send(self.sender.nxt, wire.ACK, b"", self._options(now, with_sack=True))

    def challenge(self, now: float) -> None:
        """Send a challenge ACK (RFC 5961, sections 3 and 4), unless many have gone already (section 7)."""
        self.challenges = [at for at in self.challenges if at > now - _CHALLENGE_SECONDS]
        if len(self.challenges) < _CHALLENGES:
            self.challenges.append(now)
            self.send_ack(now)

    def send_reset(self, seq: int) -> None:
        """Send <SEQ=seq><CTL=RST>, with the ACK bit where we have something to acknowledge."""
        self._send(seq, wire.RST | (wire.ACK if self.receiver is not None else 0), b"", NO_OPTIONS)

    def reject(self, segment: Segment) -> None:
        """Answer a segment of no connection, or a wrong ACK, with RST (RFC 9293, section 3.10.7.1)."""
        self.outbox.extend(rejection(segment))

    def _send(self, seq: int, flags: int, data: bytes, options: Options) -> None:
        ack = window = 0
        receiver = self.receiver
        if receiver is not None and flags & wire.ACK:
            # A window is never scaled where there is SYN (RFC 7323, section 2.2).
            window = min(receiver.offer() >> (0 if flags & wire.SYN else self.scale), _LARGEST_FIELD)
            ack = wrap(receiver.nxt)
            receiver.acknowledged()
            self.timers.pop(Timer.DELAYED_ACK, None)
        elif flags & wire.SYN:
            window = min(self.settings.receive_buffer, _LARGEST_FIELD)
        self.outbox.append(
            Segment(self.local_port, self.remote_port, wrap(seq), ack, flags, window, data, options)
        )

    def _syn_options(self, now: float) -> Options:
        """Return what we offer, or what we agree to in the answer to a SYN that offered it."""
        settings, first = self.settings, self.receiver is None
        timestamps = (wrap(self.clock.value(now)), 0 if first else wrap(self.recent))
        return Options(
            mss=settings.mss,
            window_scale=settings.window_shift
            if (settings.window_scaling if first else self.scaling)
            else None,
            sack_permitted=settings.sack if first else self.sack,
            timestamps=timestamps if (settings.timestamps if first else self.timestamps) else None,
        )

    def _options(self, now: float, *, with_sack: bool = False) -> Options:
        """Return the options of any later segment."""
        receiver = self.receiver
        gaps = with_sack and self.sack and receiver is not None and bool(receiver.early)
        if not self.timestamps and not gaps:
            return NO_OPTIONS
        stamps = (wrap(self.clock.value(now)), wrap(self.recent)) if self.timestamps else None
        blocks: tuple[tuple[int, int], ...] = ()
        if gaps and receiver is not None:
            room = SPACE_FOR_OPTIONS - (TIMESTAMPS_LENGTH if self.timestamps else 0)
            blocks = tuple((wrap(first), wrap(past)) for first, past in receiver.blocks((room - 4) // 8))
        return Options(sack=blocks, timestamps=stamps)

    # -- numbers of the peer's ---------------------------------------------------------------------

    def seq_of(self, segment: Segment) -> int:
        """Return SEG.SEQ, not wrapped."""
        return unwrap(segment.seq, self.receiver.nxt) if self.receiver is not None else segment.seq

    def ack_of(self, segment: Segment) -> int:
        """Return SEG.ACK, not wrapped."""
        return unwrap(segment.ack, self.sender.una)

    @property
    def has_closed(self) -> bool:
        """Whether our user has called CLOSE."""
        return self.state in HAS_CLOSED or self.close_is_pending


def rejection(segment: Segment) -> list[Segment]:
    """Return the RST that answers a segment which belongs to no connection; none to an RST.

    RFC 9293, section 3.10.7.1.
    """
    if segment.flags & wire.RST:
        return []
    ports = (segment.destination_port, segment.source_port)
    if segment.flags & wire.ACK:
        return [Segment(*ports, seq=segment.ack, flags=wire.RST)]
    return [Segment(*ports, seq=0, ack=wrap(segment.seq + segment.length), flags=wire.RST | wire.ACK)]
