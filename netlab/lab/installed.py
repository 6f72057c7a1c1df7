"""Which engines this machine has, in which version: for `netlab doctor`; a lab needs none of them."""

from __future__ import annotations

from collections.abc import Mapping

from netlab.kernel import process, programs
from netlab.kernel.probes import Finding
from netlab.lab.engines import bringing
from netlab.services.engines import every_program
from netlab.services.programs import Engine


def find() -> tuple[Finding, ...]:
    """Look for the programs of every engine, and ask those that are here for their version."""
    found = []
    for engine in every_program():
        wanted = (engine.program, *(name for name, _ in engine.helpers.values()))
        paths = {name: path for name in wanted if (path := programs.find(name))}
        said = ""
        if engine.program in paths:
            _, said = process.converse((paths[engine.program], *engine.asking[1:]), "")
        found.append(judge(engine, paths, said, programs.family()))
    return tuple(found)


def judge(engine: Engine, paths: Mapping[str, str], said: str, kin: str) -> Finding:
    """Judge an engine by where its programs are, by name, and by what it said of itself."""
    name = engine.name
    if engine.program not in paths:
        cure = bringing(engine, engine.packages, kin)
        return Finding(name, "no", False, "not installed, so it serves in no node", cure)
    detail = f"{engine.version_in(said) or 'of an unknown version'}, {paths[engine.program]}"
    for word, (helper, packages) in engine.helpers.items():
        if helper not in paths:
            lacking = f"{detail}; {helper}, for `{word}:`, is not installed"
            return Finding(name, "no", False, lacking, bringing(engine, packages, kin))
    return Finding(name, "yes", False, detail)
