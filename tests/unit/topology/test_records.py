"""A record's data, as dnspython reads it."""

from __future__ import annotations

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from netlab.topology.records import read_data


@pytest.mark.parametrize("signalled", [KeyboardInterrupt(), SystemExit(143)], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_is_no_bad_data(monkeypatch: pytest.MonkeyPatch, signalled: BaseException) -> None:
    """What breaks dnspython off in its reading breaks netlab off, and is no mistake in the file."""

    def broken_off(*_: object, **__: object) -> None:
        raise signalled

    monkeypatch.setattr(
        dns.rdata.get_rdata_class(dns.rdataclass.IN, dns.rdatatype.MX), "from_text", broken_off
    )
    with pytest.raises(type(signalled)):
        read_data("MX", "10 mail", dns.name.root)


def test_bad_data_is() -> None:
    """What is none of its type raises dnspython's own error."""
    with pytest.raises(dns.exception.DNSException):
        read_data("MX", "mail", dns.name.root)
