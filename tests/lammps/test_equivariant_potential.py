"""The trained equivariant potential in lmp against its own Python evaluation on independent neighbour lists."""

import numpy as np
import pytest
import torch

import laws
from lampion.deploy import export
from lampion.deploy.modelfile import Manifest, save_model
from stock_lmp import crystal, script

PAIR = "pair_style lampion\npair_coeff * * model.pt {}"
BAR = 1602176.634  # eV/Å³


def write(folder, model, dtype):
    manifest = Manifest(cutoff=laws.CUTOFF, type_names=("A", "B"), n_layers=model.n_layers, dtype=dtype)
    save_model(export.script(model), manifest, folder / "model.pt")


def skewed_cell(system):
    xy, xz, yz = system.tilt
    lx, ly, lz = system.box
    return np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", laws.MODELS)
def test_energy_forces_and_pressure_are_those_of_python(lmp, tmp_path, name, ranks):
    model = laws.MODELS[name]()
    write(tmp_path, model, "float64")
    system = crystal(3, n_types=2, a=4.4, tilt=True)
    system.write(tmp_path, 1.0)
    done = lmp(script(PAIR.format("B A")), ranks=ranks)
    types = np.array([1, 0])[system.types - 1]  # pair_coeff names LAMMPS type 1 "B"
    energies, forces, virial = laws.energy_forces_virial(model, system.positions, skewed_cell(system), types)
    thermo, atoms = done.thermo(), done.atoms()
    found = np.stack([atoms["fx"], atoms["fy"], atoms["fz"]], axis=1)
    assert np.abs(forces.numpy()).max() > 1e-3
    assert thermo["PotEng"][-1] == pytest.approx(float(energies.sum()), rel=1e-10)
    np.testing.assert_allclose(found, forces.numpy(), atol=1e-10 * float(forces.abs().max()))
    np.testing.assert_allclose(atoms["c_e"], energies.numpy(), rtol=1e-10)
    pressure = virial.numpy() / np.prod(system.box) * BAR
    for key, (a, b) in {
        "Pxx": (0, 0),
        "Pyy": (1, 1),
        "Pzz": (2, 2),
        "Pxy": (0, 1),
        "Pxz": (0, 2),
        "Pyz": (1, 2),
    }.items():
        assert thermo[key][-1] == pytest.approx(pressure[a, b], rel=1e-7, abs=1e-6 * np.abs(pressure).max())


def test_float32_model_agrees_with_float64(lmp, tmp_path):
    single, double = laws.potential("float32"), laws.potential("float64")
    double.load_state_dict({k: v.double() for k, v in single.state_dict().items()})
    system = crystal(2, n_types=2, a=4.4)
    system.write(tmp_path, 1.0)
    forces = []
    for model, dtype in ((single, "float32"), (double, "float64")):
        write(tmp_path, model, dtype)
        atoms = lmp(script(PAIR.format("A B"))).atoms()
        forces.append(np.stack([atoms["fx"], atoms["fy"], atoms["fz"]], axis=1))
    difference = np.abs(forces[0] - forces[1]).max()
    assert 0 < difference < laws.TOLERANCE[torch.float32] * np.abs(forces[1]).max()
