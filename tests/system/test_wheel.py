"""A wheel built from the repository and installed elsewhere runs the labs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

SECONDS = 120


def run(*argv: str | Path, cwd: Path) -> str:
    """Run a command that must succeed; return its output."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


def test_a_wheel_runs_the_labs(root: Path, tmp_path: Path) -> None:
    """It carries labs/ and topologies/: lab dns runs from an environment that has never seen the checkout."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("netlab", "labs", "topologies"):
        shutil.copytree(root / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(root / name, source)
    built = tmp_path / "built"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*build, "--wheel-dir", built, source, cwd=tmp_path)
    (wheel,) = built.glob("netlab_l4-*.whl")
    elsewhere = tmp_path / "elsewhere"
    venv.create(elsewhere, with_pip=False)
    (packages,) = elsewhere.glob("lib/python*/site-packages")
    # What netlab depends on is taken from here; netlab itself from the wheel alone.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        elsewhere,
        "install",
        "--quiet",
        "--no-deps",
        wheel,
        cwd=tmp_path,
    )
    shutil.rmtree(source)
    netlab = elsewhere / "bin" / "netlab"
    assert str(packages) in run(netlab, "lab", "show", "dns", cwd=tmp_path)
    for lab in ("dns", "handshake", "ordering", "ports"):
        assert "recorded in runs/" in run(netlab, "lab", "run", lab, cwd=tmp_path)
