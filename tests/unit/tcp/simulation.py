"""Two endpoints, joined by a wire that loses, doubles, delays and damages as told; time is virtual.

A schedule is bytes, one for each packet in the order of sending: which fate that packet has. What comes after
its end is delivered. So the empty schedule is a perfect wire, and a failing one shrinks towards it.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

from netlab.tcp import segment as codec
from netlab.tcp.endpoint import Endpoint
from netlab.tcp.segment import Segment
from netlab.tcp.settings import Settings
from netlab.tcp.states import TABLE, State

LATENCY = 0.01
CLIENT, WEB = bytes([10, 0, 0, 10]), bytes([10, 0, 0, 80])
MOST_STEPS = 20_000  # more events than any connection of these sizes needs
DELIVER, DROP, DOUBLE, DELAY, DAMAGE = range(5)
# Half of the packets that the schedule speaks of are delivered.
FATES = (DELIVER,) * 8 + (DROP,) * 3 + (DOUBLE,) + (DELAY,) * 2 + (DAMAGE,) * 2

WRITING = (State.ESTABLISHED, State.CLOSE_WAIT, State.SYN_RECEIVED, State.SYN_SENT)
LEGAL = {(before, after) for (before, _), after in TABLE.items()}


@dataclass
class Side:
    """An endpoint and its user: what it has to say, piece by piece, and what it has heard."""

    endpoint: Endpoint
    address: bytes
    to_say: bytes
    piece: int = 1 << 20
    most: int = 1 << 20  # how much it reads at once
    heard: bytearray = field(default_factory=bytearray)
    said: int = 0
    at_end: bool = False
    has_closed: bool = False

    def act(self, now: float) -> bool:
        """Do what the user does as soon as it can: read, write, close. True: it did something."""
        endpoint = self.endpoint
        heard = endpoint.receive(self.most, now)
        self.heard += heard
        self.at_end = self.at_end or endpoint.at_end
        if self.has_closed or endpoint.state not in WRITING:
            return bool(heard)
        if self.said < len(self.to_say):
            taken = endpoint.send(self.to_say[self.said : self.said + self.piece], now)
            self.said += taken
            return bool(heard) or taken > 0
        if endpoint.state is not State.SYN_SENT:
            self.has_closed = True
            endpoint.close(now)
        return bool(heard) or self.has_closed


@dataclass
class World:
    """Both sides, the wire between them, and the time."""

    sides: tuple[Side, Side]
    schedule: bytes = b""
    vanishes_at: int | None = None  # from that packet on nothing is delivered
    now: float = 0.0
    sent: int = 0
    carried: list[int] = field(default_factory=lambda: [0, 0])  # bytes of text in the segments of each side
    forged: tuple[
        tuple[int, Segment], ...
    ] = ()  # before which packet somebody else sends what to the first side
    queue: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    ticket: itertools.count[int] = field(default_factory=itertools.count)

    def run(self) -> None:
        """Go on until nothing is under way and no timer runs; fails if that does not come."""
        for _ in range(MOST_STEPS):
            self.settle()
            moment = self.next_moment()
            if moment is None:
                return
            self.now = max(self.now, moment)
            self.deliver()
            for side in self.sides:
                side.endpoint.time_passes(self.now)
        raise AssertionError(f"no end: {[side.endpoint.state for side in self.sides]} at {self.now}")

    def settle(self) -> None:
        """Let the users act and the segments go, until neither does anything more at this moment."""
        busy = True
        while busy:
            busy = False
            for number, side in enumerate(self.sides):
                busy = side.act(self.now) or busy
                for segment in side.endpoint.take_segments():
                    self.carried[number] += len(segment.data)
                    other = self.sides[1 - number]
                    self.send(1 - number, codec.encode(segment, side.address, other.address))

    def send(self, to: int, data: bytes) -> None:
        """Let a packet meet its fate."""
        number, self.sent = self.sent, self.sent + 1
        for _, segment in (one for one in self.forged if one[0] == number):
            self.sides[0].endpoint.segment_arrives(segment, self.now)
        byte = self.schedule[number] if number < len(self.schedule) else 0
        fate = FATES[byte & 15]
        if self.vanishes_at is not None and number >= self.vanishes_at:
            return
        if fate == DROP:
            return
        delay = LATENCY * (2 + (byte >> 4)) if fate == DELAY else LATENCY
        if fate == DAMAGE:
            at = (byte * 31 + number) % len(data)
            data = data[:at] + bytes([data[at] ^ (1 << (byte >> 5))]) + data[at + 1 :]
        for copy in range(2 if fate == DOUBLE else 1):
            heapq.heappush(self.queue, (self.now + delay + copy * LATENCY, next(self.ticket), to, data))

    def next_moment(self) -> float | None:
        """Return when something happens next; None: never."""
        moments = [side.endpoint.deadline for side in self.sides]
        if self.queue:
            moments.append(self.queue[0][0])
        return min((moment for moment in moments if moment is not None), default=None)

    def deliver(self) -> None:
        """Hand over what has arrived by now."""
        while self.queue and self.queue[0][0] <= self.now:
            _, _, to, data = heapq.heappop(self.queue)
            side, other = self.sides[to], self.sides[1 - to]
            try:
                segment = codec.decode(data, other.address, side.address)
            except codec.DamagedError:
                continue
            side.endpoint.segment_arrives(segment, self.now)


def assert_legal(side: Side) -> None:
    """Fail unless every change of state is one of the table's."""
    states = [State.CLOSED, *side.endpoint.block.history]
    for before, after in itertools.pairwise(states):
        assert (before, after) in LEGAL, f"{before.value} to {after.value}"


def make_world(
    *,
    says: tuple[bytes, bytes],
    schedule: bytes = b"",
    settings: Settings,
    isn: tuple[int, int],
    both_open: bool,
) -> World:
    """Make two sides that begin to open: the first actively, the second passively unless `both_open`."""
    client = Side(Endpoint(50000, 80, iss=isn[0], clock=isn[1], settings=settings), CLIENT, says[0])
    web = Side(Endpoint(80, 50000, iss=isn[1], clock=isn[0], settings=settings), WEB, says[1])
    client.endpoint.open(0.0)
    (web.endpoint.open if both_open else web.endpoint.listen)(0.0)
    return World((client, web), schedule)
