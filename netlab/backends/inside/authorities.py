"""The file with the certificate authorities that the nodes of a lab believe, and what programs it covers for.

`netlab.backends.inside.trust` says what stands in it.
"""

from __future__ import annotations

from pathlib import Path

from netlab.kernel import syscalls as sc

STORE = Path("/run/netlab/certificates.pem")
# Debian's and Arch's, Fedora's, Alpine's and OpenSSL's, openSUSE's.
PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)


def lay_over() -> None:
    """Cover the machine's files in this process's mount namespace, a node's."""
    for target in {Path(place).resolve() for place in PLACES if Path(place).is_file()}:
        sc.mount(str(STORE), str(target), flags=sc.MS_BIND)
