"""Molecular dynamics with mace-torch as its users run it: its calculator in ASE's velocity Verlet."""

import time
from pathlib import Path

import ase.units
import numpy as np
import torch
from ase import Atoms
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet


def mace_speed(atoms: Atoms, mace: Path, kelvin: float, seconds: float, warmup: int) -> float:
    """Steps per second of processor time on one thread.

    Args:
        atoms: the system.
        mace: model file of mace-torch, float32.
        kelvin: temperature of the velocities.
        seconds: measured, at least two steps.
        warmup: steps before, in which TorchScript specialises its code.
    """
    from mace.calculators import MACECalculator

    torch.set_num_threads(1)
    system = atoms.copy()
    system.calc = MACECalculator(model_paths=str(mace), device="cpu", default_dtype="float32")
    MaxwellBoltzmannDistribution(system, temperature_K=kelvin, rng=np.random.default_rng(1))
    dynamics = VelocityVerlet(system, 1.0 * ase.units.fs)
    dynamics.run(warmup)
    end, start, steps = time.monotonic() + seconds, time.process_time(), 0
    while steps < 2 or time.monotonic() < end:
        dynamics.run(1)
        steps += 1
    return steps / (time.process_time() - start)
