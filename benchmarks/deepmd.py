"""Beside DeePMD-kit (tensorflow, `se_e2_a`, compressed), trained on the same argon: speed and error of both.

DeePMD-kit comes from the package index into an environment of its own in the cache: its torch backend does not load
beside Lampion's torch. Both potentials are trained on the same frames by their own programs, and judged by the same
frames of another trajectory.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks import argon_data, models
from benchmarks.drawing import bars
from benchmarks.lmp import crystal, learned_pair, run_lmp
from benchmarks.workshop import Record, Workshop, in_turns, middle, output_of
from lampion.training.data import read_frames
from lampion.training.frames import Frames

TITLE = "Beside DeePMD-kit"
VERSION = "3.2.0"
RCUTS = (6.0, 9.0)  # Å; the labels reach 10 Å, which two layers of Lampion's network at 6 Å do, too
STEPS = 20000


def prepare(shop: Workshop) -> None:
    """Install it, train it, compress it, and find its errors."""
    for rcut in _rcuts(shop):
        _errors(shop, rcut)
    _lampion(shop)


def _rcuts(shop: Workshop) -> tuple[float, ...]:
    return RCUTS[:1] if shop.quick else RCUTS


def installed(shop: Workshop) -> Path:
    """Folder `bin` of its environment."""

    def make(path: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(path)], check=True)
        wanted = f"deepmd-kit[cpu,lmp]=={VERSION}"
        subprocess.run([str(path / "bin" / "pip"), "install", "--quiet", wanted], check=True)

    return shop.kept("deepmd-environment", VERSION, make) / "bin"


def environment() -> dict[str, str]:
    """One thread, and nothing of ours on its paths."""
    ours = ("LD_LIBRARY_PATH", "LAMMPS_PLUGIN_PATH", "LAMMPS_POTENTIALS")
    threads = ("OMP_NUM_THREADS", "DP_INTRA_OP_PARALLELISM_THREADS", "DP_INTER_OP_PARALLELISM_THREADS")
    return {name: value for name, value in os.environ.items() if name not in ours} | dict.fromkeys(threads, "1")


def _dp(shop: Workshop, folder: Path, *arguments: object) -> str:
    return output_of([str(installed(shop) / "dp"), "--tf", *map(str, arguments)], folder, environment())


def write_system(frames: Frames, folder: Path) -> None:
    """Frames of one composition in DeePMD-kit's layout."""
    (folder / "set.000").mkdir(parents=True)
    n = len(frames)
    volume = np.abs(np.linalg.det(frames.cell))
    arrays = {
        "coord": frames.positions.reshape(n, -1),
        "box": frames.cell.reshape(n, -1),
        "energy": frames.energy,
        "force": frames.forces.reshape(n, -1),
    }
    if frames.stress is not None:
        arrays["virial"] = -(frames.stress * volume[:, None, None]).reshape(n, -1)
    for name, values in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", values)
    np.savetxt(folder / "type.raw", frames.types[frames.atoms_of(0)], fmt="%d")
    (folder / "type_map.raw").write_text("\n".join(frames.type_names) + "\n")


def settings(rcut: float, n_steps: int) -> Mapping[str, Any]:
    """Its input: `se_e2_a` with the sizes of its own examples, learning rate and loss as there."""
    return {
        "model": {
            "type_map": ["Ar"],
            "descriptor": {"type": "se_e2_a", "rcut": rcut, "rcut_smth": 0.5, "sel": [_most(rcut)],
                           "neuron": [25, 50, 100], "axis_neuron": 16, "resnet_dt": False, "seed": 1},
            "fitting_net": {"neuron": [240, 240, 240], "resnet_dt": True, "seed": 1},
        },
        "learning_rate": {"type": "exp", "start_lr": 0.001, "stop_lr": 3.5e-8, "decay_steps": max(1, n_steps // 200)},
        "loss": {"type": "ener", "start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 1000, "limit_pref_f": 1,
                 "start_pref_v": 0.02, "limit_pref_v": 1},
        "training": {"training_data": {"systems": ["train"], "batch_size": 1}, "numb_steps": n_steps, "seed": 1,
                     "disp_freq": max(1, n_steps // 40), "save_freq": n_steps},
    }  # fmt: skip


def _most(rcut: float) -> int:
    """Room for neighbours: those of a dense liquid and half as many again."""
    return int(1.5 * 4 / 3 * np.pi * rcut**3 * 0.025)


def trained(shop: Workshop, rcut: float) -> Path:
    """Folder with `compressed.pb`."""
    given = settings(rcut, 200 if shop.quick else STEPS)

    def make(path: Path) -> None:
        for part in ("train", "test"):
            write_system(read_frames(argon_data.labelled(shop, part)), path / part)
        (path / "input.json").write_text(json.dumps(given))
        _dp(shop, path, "train", "input.json")
        _dp(shop, path, "freeze", "-o", "frozen.pb")
        _dp(shop, path, "compress", "-i", "frozen.pb", "-o", "compressed.pb")

    return shop.kept("deepmd", f"{given}{VERSION}", make)


def _errors(shop: Workshop, rcut: float) -> dict[str, float]:
    """Root mean square, forces in meV/Å and energies in meV/atom, on the frames Lampion's network is judged by."""
    folder = trained(shop, rcut)
    path = shop.kept("errors.txt", f"{folder}", lambda path: path.write_text(_test(shop, folder)))
    text = path.read_text()
    forces = re.search(r"Force\s+RMSE\s*:\s*(\S+)", text)
    energy = re.search(r"Energy RMSE/Natoms\s*:\s*(\S+)", text)
    assert forces
    assert energy
    return {"forces_rmse": 1e3 * float(forces[1]), "energy_rmse": 1e3 * float(energy[1])}


def _test(shop: Workshop, folder: Path) -> str:
    return _dp(shop, folder, "test", "-m", "compressed.pb", "-s", "test", "-n", "0")


def _lampion(shop: Workshop) -> tuple[Path, dict[str, float]]:
    checkpoint = argon_data.trained(shop)
    script = models.exported(shop, checkpoint, "pt")
    return models.exported(shop, checkpoint, "pt2"), models.errors(shop, script, argon_data.labelled(shop, "test"))


def measure(shop: Workshop) -> Record:
    """Atom-steps/s of both on one core, in turns."""
    atoms = 256 if shop.quick else 4000
    model, errors = _lampion(shop)
    jobs = {"Lampion, model.pt2": partial(run_lmp, crystal(atoms, learned_pair(model)), shop.seconds)}
    found_errors = {"Lampion, model.pt2": errors}
    lmp = [str(installed(shop) / "lmp")]
    for rcut in _rcuts(shop):
        pair = f'pair_style deepmd "{(trained(shop, rcut) / "compressed.pb").resolve()}"\npair_coeff * * Ar'
        name = f"DeePMD-kit {VERSION}, {rcut:g} Å, compressed"
        jobs[name] = partial(run_lmp, crystal(atoms, pair), shop.seconds, program=lmp, env=environment())
        found_errors[name] = _errors(shop, rcut)
    found = in_turns(jobs, shop.rounds)
    rows = [
        {"name": name, "errors": found_errors[name], **middle([run.speed for run in runs])}
        for name, runs in found.items()
    ]
    return {"atoms": atoms, "rows": rows}


def table(record: Record) -> list[str]:
    """One row a potential: error and speed."""
    lines = ["| potential | forces, meV/Å | energy, meV/atom | 1,000 atom-steps/s | Lampion is faster by |",
             "|---|---:|---:|---:|---:|"]  # fmt: skip
    first = record["rows"][0]["speed"]
    for row in record["rows"]:
        lines.append(
            f"| {row['name']} | {row['errors']['forces_rmse']:.2f} | {row['errors']['energy_rmse']:.3f} "
            f"| {row['speed'] / 1e3:.4g} | {first / row['speed']:.3g} |"
        )
    return lines


def figure(record: Record) -> Figure:
    """Speeds as bars."""
    return bars({row["name"]: row["speed"] for row in record["rows"]}, "atom-steps/s")
