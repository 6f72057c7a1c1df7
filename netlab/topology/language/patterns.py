"""Patterns of the language's texts, in what regular expressions of ECMA-262 and Python's have in common.

They are for who checks a file by its form alone, as an editor does: a pattern that would be long is coarse.
"""

from __future__ import annotations

LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"  # RFC 1123, section 2.1
NAME = f"(?!localhost$){LABEL}"
NODE_NAME = f"(?![0-9]+$){NAME}"
CAPTURE_NAME = f"(?!capture$){NAME}"
DOMAIN = rf"{LABEL}(\.{LABEL})*\.?"

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
IPV6 = "[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
ADDRESS = f"({IPV4}|{IPV6})"
# No loopback, group's or reserved ones; /8 to /30, and /32 to /126.
SUBNET = rf"(?!(0|127|22[4-9]|2[3-5][0-9])\.){IPV4}/(0?[89]|[12][0-9]|30)"
SUBNET6 = f"{IPV6}/(0?(3[2-9]|[4-9][0-9])|1[01][0-9]|12[0-6])"
# No group's (the lowest bit of the first octet), and not zeros throughout.
MAC = "(?!00([:-]00){5}$)[0-9A-Fa-f][02468ACEace]([:-][0-9A-Fa-f]{2}){5}"

_ZONE_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_/-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = rf"{_ZONE_LABEL}(\.{_ZONE_LABEL})*\.?"
ZONE = rf"(\.|{_DOMAIN})"
OWNER = rf"(@|\*|(\*\.)?{_DOMAIN})"

IMAGE = r"[A-Za-z0-9\[][^ ]*"
VARIABLE = "(?!NETLAB_)[A-Za-z_][A-Za-z0-9_]*"
SYSCTL = r"net(\.[A-Za-z0-9_-]+)+"
PATH = r"(?!/(proc|sys|dev|run/netlab)(/|$))(/(?!\.{1,2}(/|$))[^/]+)+"
MODE = "0?[0-7]{3}"
SIZE = "[0-9]{1,12} ?(KiB|MiB|GiB)"
FORWARDED = "((tcp|udp)/)?[0-9]{1,5}"
TARGET = "[^:]+(:[0-9]{1,5})?"

NOT_BLANK = r"[\s\S]*[^ \t\r\n][\s\S]*"
ONE_LINE = r"[^\n]*[^ \t\r\n][^\n]*"
