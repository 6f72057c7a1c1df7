"""What the recorder asks of the wires' relay at its end."""

from __future__ import annotations

import io
import socket
import threading

from netlab.recording import Recording, _Fates, _Track
from netlab.report import fates
from netlab.report.fates import Note
from netlab.topology.recordings import Capture


def test_a_relay_that_has_just_begun_is_asked() -> None:
    """Its first word may still be unread when the recording ends; what it then has to tell counts."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        recording = Recording.__new__(Recording)  # without a ring, which is the machine's
        recording._fates = _Fates(ours)
        recording._whole, recording._chosen = _Track(Capture(""), io.BytesIO()), {}
        theirs.send(fates.end(0) + fates.packed(Note(1, 2, True, bytes(60), "dropped by wire")))
        asked = threading.Thread(target=lambda: theirs.recv(1) and theirs.send(fates.end(3)))
        asked.start()
        untold = recording._settle()
        theirs.shutdown(socket.SHUT_RDWR)
        asked.join()
        assert untold == 3
