"""A TCP endpoint without a wire: calls, segments and time go in; segments, bytes and a deadline come out.

    endpoint = Endpoint(local_port=50000, remote_port=80, iss=1000)
    endpoint.open(now)
    for segment in endpoint.take_segments(): …          # to the wire
    endpoint.segment_arrives(segment, now)              # from the wire
    endpoint.time_passes(now)                           # when `deadline` has come, or later

Every call takes the time in seconds, on a clock of the caller's that never goes back. The user calls are
those of RFC 9293, section 3.10. Whatever the wire does, and even if the peer vanishes, a connection that was
closed here ends, after the times that `Settings` states.
"""

from __future__ import annotations

from netlab.tcp import arrival, icmp
from netlab.tcp.block import Block, Clock, Failure, Timer
from netlab.tcp.segment import Segment
from netlab.tcp.settings import DEFAULTS, Settings
from netlab.tcp.states import SENDS_TEXT, SYNCHRONIZED, Event, State


class ClosedError(Exception):
    """A call that the connection's state does not allow; RFC 9293 names the words for each."""


class Endpoint:
    """One end of one connection."""

    def __init__(
        self,
        local_port: int,
        remote_port: int = 0,
        *,
        iss: int,
        clock: int = 0,
        settings: Settings = DEFAULTS,
        is_ipv6: bool = False,
    ) -> None:
        """`iss` and `clock` are where sequence numbers and timestamps begin: 32 bits, hard to guess.

        A remote port is only needed for an active open.
        """
        self.block = Block(settings, local_port, remote_port, iss, Clock(clock), is_ipv6)

    # -- what a user sees --------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state."""
        return self.block.state

    @property
    def failure(self) -> Failure | None:
        """Why the connection ended before its time; None: it did not."""
        return self.block.failure

    @property
    def is_open(self) -> bool:
        """Whether the handshake is complete, and the connection has not ended."""
        return self.state in SYNCHRONIZED

    @property
    def available(self) -> int:
        """How many bytes can be read at once."""
        return len(self.block.receiver.text) if self.block.receiver is not None else 0

    @property
    def at_end(self) -> bool:
        """Whether the peer's FIN has come, and all before it was read."""
        receiver = self.block.receiver
        return receiver is not None and receiver.is_finished and not receiver.text

    @property
    def unsent(self) -> int:
        """How many bytes are not acknowledged yet, or not even sent."""
        return len(self.block.sender.text)

    # -- what a user calls -------------------------------------------------------------------------

    def open(self, now: float) -> None:
        """Open actively: send a SYN (3.10.1)."""
        if self.state is not State.LISTEN and self.block.history:
            raise ClosedError("connection already exists")
        if not self.block.remote_port:
            raise ClosedError("remote socket unspecified")
        self.block.passive = False
        self.block.move(Event.ACTIVE_OPEN, now)
        self.block.sender.open(now)
        self.block.output(now)

    def listen(self, now: float) -> None:
        """Open passively: wait for a SYN (3.10.1)."""
        if self.block.history:
            raise ClosedError("connection already exists")
        self.block.passive = True
        self.block.move(Event.PASSIVE_OPEN, now)

    def send(self, data: bytes, now: float) -> int:
        """Queue data as far as there is room, and say how much that was (3.10.2)."""
        if self.state is State.CLOSED or self.state is State.LISTEN:
            raise ClosedError("connection does not exist")
        if self.block.has_closed:
            raise ClosedError("connection closing")
        taken = self.block.sender.write(data)
        if self.state in SENDS_TEXT:
            self.block.output(now)
        return taken

    def receive(self, most: int, now: float) -> bytes:
        """Take up to `most` bytes that have come (3.10.3); empty: there are none now, or, `at_end`, ever."""
        if not self.available:
            return b""
        receiver = self.block.receiver
        assert receiver is not None
        data = receiver.read(most)
        if receiver.ack_is_due:
            self.block.output(now)
        return data

    def close(self, now: float) -> None:
        """Send no more, after what is queued; go on receiving (3.10.4). A second time it does nothing."""
        block = self.block
        if block.state is State.CLOSED or block.has_closed:
            return
        if block.state is State.SYN_RECEIVED and block.sender.text:
            block.close_is_pending = True
            return
        if block.state not in (State.LISTEN, State.SYN_SENT):
            block.sender.close()
        block.move(Event.CLOSE, now)
        block.output(now)

    def abort(self, now: float) -> None:
        """End it at once, with an RST where the peer knows of the connection (3.10.5)."""
        block = self.block
        if block.state is State.CLOSED:
            return
        said_all = (State.CLOSING, State.LAST_ACK, State.TIME_WAIT)
        if block.state in SYNCHRONIZED.difference(said_all) or block.state is State.SYN_RECEIVED:
            block.send_reset(block.sender.nxt)
        block.end(Failure.ABORTED, now)

    # -- the wire ----------------------------------------------------------------------------------

    def segment_arrives(self, segment: Segment, now: float) -> None:
        """Take a segment that is whole and for our port; one of another connection is answered with RST."""
        block = self.block
        is_ours = block.state is State.LISTEN or segment.source_port == block.remote_port
        if is_ours:
            arrival.segment_arrives(block, segment, now)
        else:
            block.reject(segment)

    def report_arrives(self, report: icmp.Report, now: float) -> None:
        """Take an ICMP error; what is about another connection is ignored."""
        if (report.source_port, report.destination_port) == (self.block.local_port, self.block.remote_port):
            icmp.report_arrives(self.block, report, now)

    def take_segments(self) -> list[Segment]:
        """Hand over what is to be sent, in order."""
        segments, self.block.outbox = self.block.outbox, []
        return segments

    # -- time --------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `time_passes` is to be called at the latest; None: nothing is waited for."""
        return min(self.block.timers.values(), default=None)

    def time_passes(self, now: float) -> None:
        """Do what the timers that have expired are for (3.10.8), the earliest first."""
        block = self.block
        while block.timers:
            timer = min(block.timers, key=lambda each: block.timers[each])
            if block.timers[timer] > now:
                return
            del block.timers[timer]
            self._expire(timer, now)
            block.output(now)

    def _expire(self, timer: Timer, now: float) -> None:
        block = self.block
        if timer is Timer.RETRANSMISSION:
            block.sender.on_timeout()
        elif timer is Timer.PERSIST:
            block.sender.forced = True
        elif timer is Timer.DELAYED_ACK:
            assert block.receiver is not None
            block.receiver.ack_is_due = True
        elif timer is Timer.USER:
            block.end(Failure.TIMED_OUT, now)
        elif timer is Timer.TIME_WAIT:
            block.move(Event.END, now)
        elif timer is Timer.FIN_WAIT_2:
            block.send_reset(block.sender.nxt)
            block.end(Failure.TIMED_OUT, now)
