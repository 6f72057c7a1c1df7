"""Wait until the kernel has said what it says of multicast groups (MLD) when an interface gets IPv6.

It does so of its own accord, some milliseconds after: in a recording that has begun meanwhile it would stand
by chance.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

# RFC 3810, section 9.1: each change is reported twice. Two are to be told: the groups that the interface had
# before its link-local address, when that is there, and the group of that address.
REPORTS = 4
_PAUSE = 0.002  # seconds between two looks at a counter, of which there is no event


def wait_reported(interfaces: Iterable[str], seconds: float) -> bool:
    """Return True when interfaces of the current network namespace have reported, False after `seconds`.

    A kernel that counts otherwise is no fault: what it says later is recorded then.
    """
    deadline = time.monotonic() + seconds
    for interface in interfaces:
        while _reports(interface) < REPORTS:
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
    return True


def _reports(interface: str) -> int:
    with open(f"/proc/thread-self/net/dev_snmp6/{interface}") as counters:  # noqa: PTH123 — a text, as in `namespace`
        found = (line.split()[1] for line in counters if line.startswith("Icmp6OutMLDv2Reports"))
        return int(next(found, REPORTS))
