"""Small argon data and a small trained potential, made once per test session."""

from pathlib import Path

import numpy as np

from lampion.training.data.frames import Frames
from lampion.training.data.neighbors import neighbor_edges

#: 0.2378 kcal/mol in eV, Å
EPSILON, SIGMA = 0.010311984, 3.405
R_IN, R_OUT = 5.0, 6.0


def smooth_lj(frames: Frames) -> Frames:
    """Label frames with a Lennard-Jones that a C² switch takes to zero between 5 and 6 Å."""
    for f in range(len(frames)):
        rows = frames.atoms_of(f)
        index, vectors = neighbor_edges(frames.positions[rows], frames.cell[f], frames.pbc[f], R_OUT)
        r = np.linalg.norm(vectors, axis=1)
        energy, slope = pair_energy(r)
        frames.energy[f] = energy.sum() / 2
        forces = np.zeros((rows.stop - rows.start, 3))
        np.add.at(forces, index[0], (slope / r)[:, None] * vectors)
        frames.forces[rows] = forces
    return frames


def pair_energy(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair energy and its derivative."""
    s6 = (SIGMA / r) ** 6
    v, dv = 4 * EPSILON * (s6**2 - s6), 4 * EPSILON * (-12 * s6**2 + 6 * s6) / r
    x = np.clip((r - R_IN) / (R_OUT - R_IN), 0, 1)
    switch, dswitch = 1 - x**3 * (10 - 15 * x + 6 * x**2), -30 * x**2 * (1 - x) ** 2 / (R_OUT - R_IN)
    return v * switch, dv * switch + v * dswitch


def crystal_frames(n_frames: int, cells: int = 2, seed: int = 0) -> Frames:
    """Displaced face-centred cubic argon of 4 cells³ atoms at several densities."""
    rng = np.random.default_rng(seed)
    corners = np.stack(np.meshgrid(*[np.arange(cells)] * 3), axis=-1).reshape(-1, 1, 3)
    sites = (corners + np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])).reshape(-1, 3)
    edges = rng.uniform(5.3, 5.7, n_frames)
    n = len(sites)
    return smooth_lj(
        Frames(
            type_names=("Ar",),
            offsets=np.arange(n_frames + 1) * n,
            types=np.zeros(n_frames * n, dtype=np.int64),
            positions=np.concatenate([a * sites + rng.normal(0, 0.18, sites.shape) for a in edges]),
            cell=np.stack([a * cells * np.eye(3) for a in edges]),
            pbc=np.ones((n_frames, 3), dtype=bool),
            energy=np.zeros(n_frames),
            forces=np.zeros((n_frames * n, 3)),
            step=np.arange(n_frames),
        )
    )


def write_config(folder: Path, **changes: str) -> Path:
    """A training configuration of a few seconds for `folder`/frames.h5."""
    sections = {
        "data": f"{{file: {folder / 'frames.h5'}}}",
        "model": "{cutoff: 6.0, channels: 4, basis: 8, layers: 2, readout_width: 8}",
        "loss": "{energy: 3.0}",
        "optimizer": "{learning_rate: 0.01, warmup_steps: 5}",
        "epochs": "3",
        "batch_size": "2",
        "checkpoint_every": "4",
        "threads": "1",
        "compile": "never",
        **changes,
    }
    path = folder / "config.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in sections.items()))
    return path
