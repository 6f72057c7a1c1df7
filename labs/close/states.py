"""Lab close: in which state is a connection, to this node's kernel? On web this answers by UDP, port 15.

It reads /proc/net/tcp, as `netstat` does, and tcp6, where a server of both IPs has its connections. `ss` asks
the kernel for the same by netlink.
"""

import socket
import time
from pathlib import Path

# The kernel's numbers, from 1 on (include/net/tcp_states.h), with the names of RFC 9293.
NAMES = (
    "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED",
    "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING",
)  # fmt: skip
PATIENCE = 1.0  # seconds until a connection is in the state that is expected of it


def state_of(port: int, *, local: bool = False) -> str:
    """Return the state of the connection whose remote port is this one; CLOSED if there is none."""
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for row in table.read_text().splitlines()[1:] if table.exists() else ():
            _, here, there, state, *_ = row.split()
            if int((here if local else there).partition(":")[2], 16) == port:
                return NAMES[int(state, 16) - 1]
    return "CLOSED"


def main() -> None:
    """Answer each question, as "50000 CLOSING", with the state that the connection has, or comes to have."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 15))
        while True:
            question, asker = sock.recvfrom(100)
            port, expected = question.decode().split()
            deadline = time.monotonic() + PATIENCE
            while (state := state_of(int(port))) != expected and time.monotonic() < deadline:
                time.sleep(0.001)
            sock.sendto(state.encode(), asker)


if __name__ == "__main__":
    main()
