"""Scripted impairments: which steps of a script a packet is for, counted."""

from __future__ import annotations

from collections.abc import Sequence

from netlab.topology.wires import Match, Step
from netlab.wire.packet import FLAGS, Packet

_WITH_DATA = ("tcp", "udp")


class Script:
    """The steps of one cable, each of which counts the packets that fit it, whatever others do."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(_Counted(step) for step in steps)
        # Where none is for a direction, its packets need not be looked at.
        self.is_for = tuple(any(step.match.sent in (None, sent) for step in steps) for sent in (False, True))

    def steps(self, packet: Packet, *, sent: bool) -> list[Step]:
        """Return the steps that a packet is for, the next of those that the node sends or gets."""
        return [one.step for one in self._steps if one.counts(packet, sent)]


class _Counted:
    """A step, and how many packets have fitted it."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._fits = _Fits(step.match)
        self._count = 0

    def counts(self, packet: Packet, sent: bool) -> bool:
        """Count a packet if it fits; say whether it is the one."""
        if self.step.nth is not None and self._count >= self.step.nth:
            return False
        if not self._fits.fits(packet, sent):
            return False
        self._count += 1
        return self.step.nth is None or self._count == self.step.nth


class _Fits:
    """A match, with its flags as bits."""

    def __init__(self, match: Match) -> None:
        self._sent = match.sent
        self._protocol = match.protocol
        self._data = match.data
        self._set = sum(FLAGS[flag] for flag in match.flags)
        self._mask = self._set | sum(FLAGS[flag] for flag in match.clear)

    def fits(self, packet: Packet, sent: bool) -> bool:
        """Say whether all that is given fits; flags are TCP's, and data is TCP's or UDP's.

        A later fragment has neither, nor ports: only what is said of any packet is said of it.
        """
        if self._sent is not None and self._sent is not sent:
            return False
        if packet.is_later and (self._protocol is not None or self._mask or self._data is not None):
            return False
        if self._protocol is not None and self._protocol != packet.protocol:
            return False
        if self._mask and (packet.protocol != "tcp" or packet.flags & self._mask != self._set):
            return False
        if self._data is None:
            return True
        return packet.protocol in _WITH_DATA and (packet.payload < packet.end) is self._data
