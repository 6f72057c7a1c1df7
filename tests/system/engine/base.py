"""Images for tests, of what this machine has, for an engine without a registry.

`python -m tests.system.engine.base OUT.tar` writes the first of them, `load` makes them all. base: what the
image of netlab's own has, and every engine, out of this machine's packages (Debian, Ubuntu) and this
interpreter's environment. tiny: busybox alone, no Python. bare: one program that ends at once, no shell.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

from netlab.kernel import programs

PROGRAMS = (
    *(
        "bash",
        "coreutils",
        "dash",
        "grep",
        "hostname",
        "libc-bin",
        "netbase",
        "procps",
        "python3",
        "sed",
        "util-linux",
    ),
    *("bind9-dnsutils", "curl", "iproute2", "iputils-ping", "nftables", "tcpdump", "traceroute"),
    *("bind9", "bind9-utils", "dnsmasq-base", "nginx-light"),  # for nodes whose own image this is
)
ADDED = ("caddy",)  # programs that no package brings, where the environment of this interpreter has them
LIBRARIES = ("dnspython", "h11", "pyroute2", "pyyaml", "scapy")
LIBRARY_PLACE = "opt/lib"
APPLETS = ("sh", "cat", "echo", "env", "false", "ip", "kill", "ls", "nc", "ping", "ps", "sleep", "true")

_UNWANTED = re.compile(r"/usr/share/(doc|man|info|locale|lintian|perl)\b|/usr/lib/[^/]+/(perl|gconv)\b")
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_EMPTY = {"proc": 0o755, "sys": 0o755, "dev": 0o755, "run": 0o755, "root": 0o700, "tmp": 0o1777}


def write_base(out: Path) -> None:
    """Write the base: installed packages' files, and the libraries under /opt/lib."""
    # By name in the archive: a path that is there twice is an error to an engine.
    files = {name: Path("/", name) for name in _MERGED if Path("/", name).is_symlink()}
    alternatives = Path("/etc/alternatives")
    chosen = list(alternatives.iterdir())
    # No package lists them: /usr/bin/traceroute leads there, and on to traceroute.db, which one does.
    links = [link for path in chosen if (link := Path("/usr/bin", path.name)).is_symlink()]
    for path in [*_package_files(_closure(PROGRAMS)), alternatives, *chosen, *links]:
        files[str(path).lstrip("/")] = path
    files |= {f"usr/local/bin/{name}": Path(path) for name in ADDED if (path := programs.find(name))}
    for made in ("etc/ld.so.cache", "etc/ssl/certs/ca-certificates.crt"):  # out of what packages have
        if Path("/", made).exists():
            files[made] = Path("/", made)
    files |= {f"{LIBRARY_PLACE}/{name}": path for name, path in _library_files()}
    with tarfile.open(out, "w") as archive:
        for name, path in files.items():
            archive.add(path, name, recursive=False)
        for name in ("passwd", "group"):
            _add_text(archive, f"etc/{name}", _users(name))
        _add_empty(archive)


def write_tiny(out: Path) -> None:
    """Write an image of busybox: a shell and a few programs, no Python."""
    with tarfile.open(out, "w") as archive:
        archive.add(_busybox(), "bin/busybox")
        for applet in APPLETS:
            _add_link(archive, f"bin/{applet}", "busybox")
        _add_empty(archive)


def write_bare(out: Path) -> None:
    """Write an image of one program, /true, which ends at once."""
    with tarfile.open(out, "w") as archive:
        archive.add(_busybox(), "true")  # by that name busybox is nothing else
        _add_empty(archive)


# name → how its tar is written, and what its configuration says, as a Dockerfile would
IMAGES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "netlab-test/base": (write_base, [f"ENV PYTHONPATH=/{LIBRARY_PLACE}", 'CMD ["bash"]']),
    "netlab-test/tiny": (write_tiny, ['CMD ["sh"]']),
    "netlab-test/bare": (write_bare, ['CMD ["/true"]']),
}


def _closure(wanted: Sequence[str]) -> list[str]:
    """Return these installed packages and all that they depend on, here."""
    form = "${Package}\t${Provides}\t${Pre-Depends}, ${Depends}\n"
    listed = subprocess.run(
        ["dpkg-query", "--show", "--showformat", form], capture_output=True, text=True, check=True
    )
    needs: dict[str, list[str]] = {}
    providers: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        package, provides, depends = line.split("\t")
        needs[package] = _names(depends)
        providers |= dict.fromkeys(_names(provides), package)
    seen: set[str] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        package = name if name in needs else providers.get(name, "")
        if package and package not in seen:
            seen.add(package)
            todo += needs[package]
    if missing := [name for name in wanted if name not in seen]:
        sys.exit(f"not installed: {' '.join(missing)} (apt install {' '.join(missing)})")
    return sorted(seen)


def _names(relations: str) -> list[str]:
    """Return the packages that a relation field names, alternatives too, without versions."""
    return [re.split(r"[ (:]", word.strip())[0] for word in re.split(r"[,|]", relations) if word.strip()]


def _package_files(packages: list[str]) -> list[Path]:
    listed = subprocess.run(
        ["dpkg-query", "--listfiles", *packages], capture_output=True, text=True, check=True
    )
    found: dict[Path, None] = {}
    for line in sorted(set(listed.stdout.splitlines())):
        if not line.startswith("/") or _UNWANTED.match(line) or not os.path.lexists(line):
            continue
        # Packages still say /bin/sh where that is a link's other side.
        path = Path(os.path.realpath(Path(line).parent), Path(line).name)
        if path.parent == Path("/") and path.name in ("", *_MERGED):
            continue
        found[path] = None
        for compiled in _compiled(path):
            found[compiled] = None
    return list(found)


def _compiled(source: Path) -> Iterator[Path]:
    """Yield what Python has compiled of a file; a package's list leaves it out."""
    if source.suffix == ".py" and (cache := source.parent / "__pycache__").is_dir():
        yield cache
        yield from cache.glob(f"{source.stem}.cpython-*.pyc")


def _library_files() -> Iterator[tuple[str, Path]]:
    """Yield the libraries' files, each with its name below site-packages."""
    top = Path(sysconfig.get_path("purelib"))
    for library in LIBRARIES:
        distribution = metadata.distribution(library)
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            if path.is_file() and path.is_relative_to(top) and ".." not in file.parts:
                yield str(path.relative_to(top)), path


def _users(name: str) -> str:
    """Return a file of users or groups: not the machine's own, but for the one that tcpdump becomes."""
    base = Path(f"/usr/share/base-passwd/{name}.master").read_text()
    here = Path("/etc", name).read_text().splitlines(keepends=True)
    return base + "".join(line for line in here if line.startswith("tcpdump:"))


def _busybox() -> str:
    found = shutil.which("busybox")
    if found is None or "dynamically" in subprocess.getoutput(f"file -L {found}"):
        sys.exit("busybox, statically linked, is not installed (apt install busybox-static)")
    return found


def _add_empty(archive: tarfile.TarFile) -> None:
    present = set(archive.getnames())
    for name, mode in _EMPTY.items():
        if name not in present:
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, mode
            archive.addfile(member)


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))


def _add_link(archive: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    archive.addfile(member)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: base.py OUT.tar")
    write_base(Path(sys.argv[1]))
