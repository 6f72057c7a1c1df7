"""Signing: the order of zones, the commands, and what the tools leave behind."""

from __future__ import annotations

from netlab.services import dnssec

DSSET = "lab.test.\t\tIN DS 13787 13 2 E5FF90FA4EB08F01F17C6CF9C0DA883D116BAAB25E226720111CD003 7072E2A9\n"


def test_who_vouches_comes_after_whom_it_vouches_for() -> None:
    """A zone's DS records stand in the zone above it, which is signed with them."""
    order = dnssec.order(["test", ".", "b.lab.test", "lab.test", "a.test"])
    assert order == ["b.lab.test", "a.test", "lab.test", "test", "."]


def test_the_commands() -> None:
    """Two keys, then the signatures; the root is called by its dot. What has its keys is only signed."""
    mkdir, ksk, zsk, sign = dnssec.commands(".", "/d/root.zone", "/d/keys")
    assert mkdir == ("mkdir", "-p", "/d/keys")
    assert ksk[-3:] == ("-f", "KSK", ".")
    assert zsk == (*ksk[:-3], ".")
    assert dnssec.commands(".", "/d/root.zone", "/d/keys", anew=False) == [sign]
    assert sign[-5:] == ("-o", ".", "-f", "/d/root.zone.signed", "/d/root.zone")


def test_digests_are_read_and_believed() -> None:
    """The digest that the tool breaks in two is one word; a zone with several has several anchors."""
    assert dnssec.digests(DSSET * 2)[1][
        3
    ] == "E5FF90FA4EB08F01F17C6CF9C0DA883D116BAAB25E2267201 11CD0037072E2A9".replace(" ", "")
    text = dnssec.anchors([("lab.test", DSSET), (".", DSSET.replace("lab.test.", "."))])
    assert text.count("static-ds 13787 13 2") == 2
    assert '    "." static-ds' in text
