"""Molecules that vibrate and fail at a known step, and the files a watched run would leave of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ase.build import molecule

from lampion.analysis.stability.records import Series
from lampion.analysis.stability.trajectory import Trajectory

FS = 0.001
ETHANOL = molecule("CH3CH2OH")
#: places in ETHANOL
C1, C2, OXYGEN, H_OF_O = 1, 0, 2, 3


def vibration(
    elements: Sequence[str], rest: np.ndarray, n_frames: int, *, step: float = FS, seed: int = 0
) -> Trajectory:
    """Every coordinate swings about its place by 0.04 Å rms, with periods of 9 to 80 fs, from rest on."""
    rng = np.random.default_rng(seed)
    time = step * np.arange(n_frames)
    omega = 2 * np.pi / rng.uniform(0.009, 0.080, rest.shape)
    size = rng.normal(0.0, 0.04 * np.sqrt(2.0), rest.shape).clip(-0.1, 0.1)
    return Trajectory(time, rest + size * np.sin(omega * time[:, None, None]), tuple(elements))


def ethanol(n_frames: int, **settings: float) -> Trajectory:
    """Vibrating ethanol."""
    return vibration(ETHANOL.get_chemical_symbols(), ETHANOL.positions, n_frames, **settings)


def state(n: int, *, interval: float = 0.02, slope: float = 0.0, seed: int = 0) -> Series:
    """Energy (eV) that shakes by 2 meV and drifts by `slope` eV/ps, 300 K on average, forces of 4 eV/Å."""
    rng = np.random.default_rng(seed)
    time = interval * np.arange(n)
    energy = -4209.0 + slope * time + 0.002 * rng.normal(size=n)
    return Series(time, energy, rng.normal(300.0, 60.0, n).clip(50.0), rng.normal(4.0, 0.5, n))


HEADER = """# lampion replicas 1
# units {units}
# timestep {time_step}
# atoms_per_replica {n_atoms}
# elements {elements}
# columns {columns}
"""


def header(columns: str, *, units: str = "metal", elements: Sequence[str] | None = None) -> str:
    """First lines of a record or a failures file; 1 fs per step."""
    names = elements or ETHANOL.get_chemical_symbols()
    time_step = {"metal": 0.001, "real": 1.0}[units]
    return HEADER.format(
        units=units, time_step=time_step, n_atoms=len(names), elements=" ".join(names), columns=columns
    )


def write_run(folder: Path, replicas: Mapping[int, Series], failures: Sequence[str] = ()) -> Path:
    """Record and failures of replicas; times must be multiples of 1 fs. Failures are rows of the file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        (round(t / FS), replica, f"{e - 0.5:.9f} 0.5 {k:.6g} {f:.6g} 0.96 0 0")
        for replica, s in replicas.items()
        for t, e, k, f in zip(s.time, s.energy, s.temperature, s.force, strict=True)
    ]
    record = header("step replica pe ke temperature fmax dmin n_broken n_formed")
    record += "".join(f"{step} {replica} {rest}\n" for step, replica, rest in sorted(rows))
    (folder / "record.txt").write_text(record)
    text = header("replica step detected kind atom_i atom_j value") + "".join(f"{row}\n" for row in failures)
    (folder / "failed.txt").write_text(text)
    return folder


def write_dump(path: Path, trajectories: Mapping[int, Trajectory], *, first: int = 0) -> None:
    """Frames of one or more replicas, ids in blocks, as `dump custom` writes them; `first` is the step of time 0."""
    (some,) = {len(t.time) for t in trajectories.values()}
    with path.open("w") as file:
        for frame in range(some):
            table = [
                f"{(replica - 1) * len(t.elements) + k + 1} 1 {name} {x:.9g} {y:.9g} {z:.9g} 0 0 0 0 0 0\n"
                for replica, t in trajectories.items()
                for k, (name, (x, y, z)) in enumerate(zip(t.elements, t.positions[frame], strict=True))
            ]
            step = first + round(next(iter(trajectories.values())).time[frame] / FS)
            file.write(f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(table)}\nITEM: BOX BOUNDS pp pp pp\n")
            file.write("0 50\n" * 3 + "ITEM: ATOMS id type element x y z vx vy vz fx fy fz\n")
            file.writelines(reversed(table))
