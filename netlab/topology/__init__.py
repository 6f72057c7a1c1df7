"""Understand the YAML that a user wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from netlab.topology.model import Topology

__all__ = ["load", "parse"]

# Everything netlab does imports this package for its model; only these two pay for reading YAML.


def load(path: Path, *, engines: Mapping[str, str] | None = None) -> Topology:
    """Read and validate a topology file; InputError carries every fault of it, in order of line.

    `engines` serve in the place of those that the file names, by the kind of service: {"http": "nginx"}.
    """
    from netlab.topology.loader import load as load_file

    return load_file(path, engines or {})


def parse(text: str, *, file: str, directory: Path, engines: Mapping[str, str] | None = None) -> Topology:
    """Validate a topology's text; `file` is its name in faults, `directory` what paths in it start from."""
    from netlab.topology.loader import parse as parse_text

    return parse_text(text, file=file, directory=directory, engines=engines or {})
