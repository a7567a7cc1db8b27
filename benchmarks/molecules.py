"""Replicas of one molecule in one `lmp`, by TorchScript and compiled, beside mace-torch through ASE: steps/s of each.

    python benchmarks/molecules.py train/best.ckpt ethanol.xyz -o molecules.jsonl

The checkpoint is exported in both forms; the first frame of the second file is the molecule. mace-torch (32 channels,
L = 1, two layers, random weights, or the model given by --mace) is run as its users run it, by its ASE calculator in
ASE's velocity Verlet, one molecule at a time. One thread. Replica-steps/s = molecules x steps / time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ase.io
import ase.units
import numpy as np
import torch
from ase import Atoms
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from pair_style import environment, lmp

from lampion.deploy.export import export_checkpoint
from lampion.deploy.modelfile import read_manifest
from lampion.pipeline.starts import set_in_motion, write_start
from lampion.training.mace_model import scale_shift_mace
from lampion.training.model_config import MaceConfig
from lampion.training.statistics import DataStatistics

INPUT = """
units metal
atom_style molecular
read_data start.data
pair_style lampion
pair_coeff * * {model} {names}
neighbor 1.0 bin
neigh_modify every 1 delay 0 check yes exclude molecule/inter all
timestep 0.001
fix 1 all nve
thermo 1000000
run 10
fix 2 all halt 5 tlimit > {seconds} error soft message no
run 1000000
"""


def in_lmp(folder: Path, molecule: Atoms, model: str, n_replicas: int, seconds: float) -> float:
    """Replica-steps/s of `lmp` on one rank."""
    molecules = [molecule.copy() for _ in range(n_replicas)]
    set_in_motion(molecules, 300.0, np.random.default_rng(7))
    types = write_start(molecules, folder / "start.data", read_manifest(folder / model))
    (folder / "in.lmp").write_text(INPUT.format(model=model, names=types["names"], seconds=seconds))
    command = [str(lmp()), "-in", "in.lmp", "-log", "none"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"lmp failed for {model}:\n{done.stdout[-1500:]}")
    words = done.stdout.rpartition("Loop time of ")[2].split()
    return n_replicas * int(words[5]) / float(words[0])


def in_ase(molecule: Atoms, mace: Path, seconds: float) -> float:
    """Steps/s of one molecule with mace-torch's calculator."""
    from mace.calculators import MACECalculator

    atoms = molecule.copy()
    atoms.calc = MACECalculator(model_paths=str(mace), device="cpu", default_dtype="float32")
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(1))
    dynamics = VelocityVerlet(atoms, 1.0 * ase.units.fs)
    dynamics.run(20)  # TorchScript specialises its code in the first steps
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        dynamics.run(10)
        steps += 10
    return steps / (time.perf_counter() - start)


def random_mace(molecule: Atoms, path: Path) -> None:
    """mace-torch's model for the elements of a molecule."""
    elements = sorted(set(molecule.symbols))
    statistics = DataStatistics(elements, [0.0] * len(elements), 1.0, 8.0, {})
    torch.save(scale_shift_mace(MaceConfig(cutoff=5.0), statistics), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("molecule", type=Path)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--mace", type=Path, help="a model of mace-torch; default: random weights")
    parser.add_argument("--seconds", type=float, default=6.0, help="per measurement, about")
    parser.add_argument("-o", "--out", type=Path, default=Path("molecules.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    molecule = ase.io.read(options.molecule, 0)
    assert isinstance(molecule, Atoms)
    with tempfile.TemporaryDirectory() as name, options.out.open("w") as out:
        folder = Path(name)
        mace = options.mace or folder / "mace.model"
        if options.mace is None:
            random_mace(molecule, mace)
        for suffix in ("pt", "pt2"):
            export_checkpoint(options.checkpoint, folder / f"model.{suffix}")
        found = {("mace-torch, ASE", 1): in_ase(molecule, mace, options.seconds)}
        for count in options.replicas:
            for suffix in ("pt", "pt2"):
                found[f"model.{suffix}", count] = in_lmp(folder, molecule, f"model.{suffix}", count, options.seconds)
        reference = found["mace-torch, ASE", 1]
        for (name, count), speed in found.items():
            print(json.dumps({"model": name, "replicas": count, "replica_steps_per_s": speed}), file=out)
            print(f"{name:16s} {count:5d} replicas {speed:10.1f} replica-steps/s {speed / reference:8.1f} x mace-torch")


if __name__ == "__main__":
    main()
