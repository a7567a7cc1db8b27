"""Beside DeePMD-kit (tensorflow, `se_e2_a`, compressed), trained on the same frames: speed and error of both.

DeePMD-kit comes from the package index into an environment of its own in the cache: its torch backend does not load
beside Lampion's torch. Both potentials are trained on the same frames by their own programs, and judged by the same
frames of another trajectory.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.drawing import bars
from benchmarks.lmp import Run, crystal, learned_pair, run_lmp
from benchmarks.materials import Material
from benchmarks.workshop import Record, Workshop, in_turns, middle, output_of
from lampion.training.data.frames import Frames
from lampion.training.preparation.datasets import read_frames

THEIRS, VERSION = "DeePMD-kit", "3.2.0"
STEPS = 4000  # half as many again as ours takes; the error of forces stands still after 500


@dataclass(frozen=True)
class Deepmd:
    """The question for one material."""

    material: Material

    @property
    def TITLE(self) -> str:  # noqa: N802 - as the other questions have it
        return f"{self.material.name.capitalize()}: beside DeePMD-kit"

    def prepare(self, shop: Workshop) -> None:
        """Install it, train it, compress it, and find its errors."""
        self._errors(shop)
        for changes in self.material.networks.values():
            self.material.learned(shop, changes)

    def trained(self, shop: Workshop) -> Path:
        """Folder with `compressed.pb`."""
        given = settings(self.material, 200 if shop.quick else STEPS)

        def make(path: Path) -> None:
            for part in ("train", "test"):
                write_system(read_frames(self.material.labelled(shop, part)), path / part)
            (path / "input.json").write_text(json.dumps(given))
            _dp(shop, path, "train", "input.json")
            _dp(shop, path, "freeze", "-o", "frozen.pb")
            _dp(shop, path, "compress", "-i", "frozen.pb", "-o", "compressed.pb")

        return shop.kept("deepmd", f"{given}{VERSION}", make)

    def _errors(self, shop: Workshop) -> dict[str, float]:
        """Root mean square, forces in meV/Å and energies in meV/atom, on the frames Lampion's network is judged by."""
        folder = self.trained(shop)
        path = shop.kept("errors.txt", f"{folder}", lambda path: path.write_text(_test(shop, folder)))
        text = path.read_text()
        forces = re.search(r"Force\s+RMSE\s*:\s*(\S+)", text)
        energy = re.search(r"Energy RMSE/Natoms\s*:\s*(\S+)", text)
        assert forces
        assert energy
        return {"forces_rmse": 1e3 * float(forces[1]), "energy_rmse": 1e3 * float(energy[1])}

    def measure(self, shop: Workshop) -> Record:
        """Atom-steps/s of all on one core, in turns."""
        atoms, element = 256 if shop.quick else 4000, self.material.element
        jobs: dict[str, Callable[[], Run]] = {}
        errors: dict[str, dict[str, float]] = {}
        for network, changes in self.material.networks.items():
            name = f"Lampion, {network}"
            forms, errors[name] = self.material.learned(shop, changes)
            text = crystal(atoms, learned_pair(forms["model.pt2"], element), of=self.material.crystal)
            jobs[name] = partial(run_lmp, text, shop.seconds)
        name = f"{THEIRS} {VERSION}, compressed"
        errors[name] = self._errors(shop)
        pair = f'pair_style deepmd "{self.trained(shop).resolve() / "compressed.pb"}"\npair_coeff * * {element}'
        text, lmp = crystal(atoms, pair, of=self.material.crystal), [str(installed(shop) / "lmp")]
        jobs[name] = partial(run_lmp, text, shop.seconds, program=lmp, env=environment())
        rows = [
            {"name": name, "errors": errors[name], **middle([run.speed for run in runs])}
            for name, runs in in_turns(jobs, shop.rounds).items()
        ]
        return {"atoms": atoms, "rows": rows}

    def table(self, record: Record) -> list[str]:
        """One row a potential: error and speed; DeePMD-kit's is the last."""
        theirs = record["rows"][-1]["speed"]
        lines = [f"| potential | forces, meV/Å | energy, meV/atom | 1,000 atom-steps/s | of {THEIRS}'s |",
                 "|---|---:|---:|---:|---:|"]  # fmt: skip
        for row in record["rows"]:
            lines.append(
                f"| {row['name']} | {row['errors']['forces_rmse']:.2f} | {row['errors']['energy_rmse']:.3f} "
                f"| {row['speed'] / 1e3:.4g} | {row['speed'] / theirs:.3g} |"
            )
        return lines

    def figure(self, record: Record) -> Figure:
        """Speeds as bars."""
        return bars({row["name"]: row["speed"] for row in record["rows"]}, "atom-steps/s")


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


def settings(material: Material, n_steps: int) -> Mapping[str, Any]:
    """Its input: `se_e2_a` with the sizes of its own examples, learning rate and loss as there, in float32 as ours."""
    precision = {"precision": "float32"}
    return {
        "model": {
            "type_map": [material.element],
            "descriptor": {"type": "se_e2_a", "rcut": material.cutoff, "rcut_smth": 0.5, "sel": [_most(material)],
                           "neuron": [25, 50, 100], "axis_neuron": 16, "resnet_dt": False, "seed": 1, **precision},
            "fitting_net": {"neuron": [240, 240, 240], "resnet_dt": True, "seed": 1, **precision},
        },
        "learning_rate": {"type": "exp", "start_lr": 0.001, "stop_lr": 3.5e-8, "decay_steps": max(1, n_steps // 200)},
        "loss": {"type": "ener", "start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 1000, "limit_pref_f": 1,
                 "start_pref_v": 0.02, "limit_pref_v": 1},
        "training": {"training_data": {"systems": ["train"], "batch_size": 1}, "numb_steps": n_steps, "seed": 1,
                     "disp_freq": max(1, n_steps // 40), "save_freq": n_steps},
    }  # fmt: skip


def _most(material: Material) -> int:
    """Room for neighbours: those of its densest frames and half as many again."""
    return int(1.5 * 4 / 3 * np.pi * material.cutoff**3 * material.density)


def _test(shop: Workshop, folder: Path) -> str:
    return _dp(shop, folder, "test", "-m", "compressed.pb", "-s", "test", "-n", "0")
