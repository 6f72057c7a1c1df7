"""The kernel's counters: /proc/net/snmp read as it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.kernel.counters import PROTOCOLS, parse_snmp

SNMP = """\
Ip: Forwarding DefaultTTL InReceives
Ip: 2 64 17
IcmpMsg: InType3 OutType3
IcmpMsg: 1 1
Tcp: RtoAlgorithm MaxConn OutRsts
Tcp: 1 -1 3
UdpLite: InDatagrams
UdpLite: 9
"""


def test_the_known_protocols_are_told() -> None:
    """Names go with their numbers; settings, and protocols that no lab uses, are left out."""
    assert parse_snmp(SNMP) == {
        "Ip": {"InReceives": 17},
        "Tcp": {"OutRsts": 3},
    }


NAMES = st.text("ABCDEFGHabcdefgh", min_size=1, max_size=8)


@given(
    st.dictionaries(st.sampled_from(PROTOCOLS), st.dictionaries(NAMES, st.integers(-1, 1 << 63), min_size=1))
)
def test_what_is_written_is_read(counted: dict[str, dict[str, int]]) -> None:
    """Any table in the kernel's form comes back as it was."""
    text = "".join(
        f"{name}: {' '.join(values)}\n{name}: {' '.join(map(str, values.values()))}\n"
        for name, values in counted.items()
    )
    assert parse_snmp(text) == counted


@pytest.mark.parametrize("text", ["Tcp: A B\nTcp: 1\n", "Tcp: A\n", "Tcp: A\nTcp: x\n"])
def test_damage_is_no_number(text: str) -> None:
    """A table that does not fit its heading raises ValueError, and gives no wrong number."""
    with pytest.raises(ValueError, match=r"zip\(\)|invalid literal"):
        parse_snmp(text)
