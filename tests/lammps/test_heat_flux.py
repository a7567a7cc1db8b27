"""Centroid virials are those of the heat flux: V J = d/dt Σ r_i e_i, whoever the energy of an atom depends on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import laws
import lj
from stock_lmp import Finished, System, crystal, script

Lmp = Callable[..., Finished]
CLUSTER = crystal(2, n_types=2, a=5.0)
FREE = System(CLUSTER.positions, np.full(3, 40.0), CLUSTER.types)  # no periodic image: the positions are one frame
CUTOFF = 5.0
MODELS: dict[str, tuple[Callable[[], torch.nn.Module], int]] = {
    "three layers": (lambda: lj.LayeredDensity(CUTOFF, 2), 3),
    "three layers, whole": (lambda: lj.Unlayered(lj.LayeredDensity(CUTOFF, 2)), 3),
    "equivariant, two layers": (lambda: laws.potential(l_max=1), 2),
    "one layer, four-body": (laws.MODELS["l2, one layer, four-body"], 1),
}
FLUX = """
velocity all create {} 7 loop all
fix 1 all nve
timestep {:g}
compute ke all ke/atom
compute c all {} NULL virial
compute J all heat/flux ke e c
compute sum all reduce sum c_c[*]
variable bx atom (c_ke+c_e)*x
variable by atom (c_ke+c_e)*y
variable bz atom (c_ke+c_e)*z
compute B all reduce sum v_bx v_by v_bz
thermo_style custom step pe pxx pyy pzz pxy pxz pyz c_J[*] c_B[*] c_sum[*]
thermo_modify norm no format float %.17g
thermo 1
run {}
"""


def write(folder: Path, name: str, system: System) -> str:
    build, n_layers = MODELS[name]
    cutoff = CUTOFF if "layers" in name and "equivariant" not in name else laws.CUTOFF
    system.write(folder, 1.0)
    lj.write_model(build(), folder / "model.pt", ("A", "B"), cutoff, n_layers)
    return "pair_style lampion\npair_coeff * * model.pt A B"


def flux(thermo: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([thermo[f"c_J[{a}]"] for a in (1, 2, 3)], 1)


def error_of_flux(done: Finished, timestep: float) -> float:
    """The largest relative difference between V J and the five-point derivative of Σ r_i e_i, at step 5."""
    thermo = done.thermo()
    moment = np.stack([thermo[f"c_B[{a}]"] for a in (1, 2, 3)], 1)
    expected = (8 * (moment[6] - moment[4]) - (moment[7] - moment[3])) / (12 * timestep)
    return float(np.abs(flux(thermo)[5] - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_heat_flux_moves_the_centre_of_energy(lmp: Lmp, tmp_path: Path, name: str, ranks: int) -> None:
    pair = write(tmp_path, name, FREE)
    errors = []
    for timestep in (1e-4, 2e-5):
        motion = FLUX.format(1000, timestep, "centroid/stress/atom", 8)
        errors.append(error_of_flux(lmp(script(pair, boundary="f f f", then=motion), ranks), timestep))
    assert errors[1] < 2e-5
    assert errors[1] < 0.1 * errors[0], "what is left must be the integrator's, which falls with the square of the step"


def test_half_of_an_edge_to_either_end_is_not_the_heat_flux(lmp: Lmp, tmp_path: Path) -> None:
    """The negative control, and why compute stress/atom alone is refused."""
    pair = write(tmp_path, "three layers", FREE)
    motion = FLUX.format(1000, 2e-5, "stress/atom", 8).replace(
        "compute J", "compute unused all centroid/stress/atom NULL\ncompute J"
    )
    done = lmp(script(pair, boundary="f f f", then=motion))
    assert error_of_flux(done, 2e-5) > 1e-2


@pytest.mark.parametrize("tilt", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_same_in_a_periodic_box_on_any_number_of_ranks(lmp: Lmp, tmp_path: Path, name: str, tilt: bool) -> None:
    pair = write(tmp_path, name, crystal(2, n_types=2, a=5.0, tilt=tilt))
    motion = FLUX.format(1000, 0.001, "centroid/stress/atom", 0)
    one, two = (lmp(script(pair, then=motion), ranks).thermo() for ranks in (1, 2))
    np.testing.assert_allclose(flux(two), flux(one), rtol=1e-9)
    total = np.stack([one[f"c_sum[{k}]"] for k in range(1, 10)], 1)[0]
    np.testing.assert_allclose(total[3:6], total[6:9], atol=1e-9 * np.abs(total).max())


def test_sum_of_centroid_virials_is_the_virial(lmp: Lmp, tmp_path: Path) -> None:
    pair = write(tmp_path, "three layers", crystal(2, n_types=2, a=5.0))
    thermo = lmp(
        script(pair, then=FLUX.format(0, 0.001, "centroid/stress/atom", 0))
    ).thermo()  # at rest: no kinetic part
    volume = 1000.0
    for k, key in enumerate(("Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"), 1):
        assert -thermo[f"c_sum[{k}]"][0] / volume == pytest.approx(thermo[key][0], rel=1e-10)


@pytest.mark.parametrize("ranks", [1, 2])
def test_pair_potential_has_the_native_heat_flux(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    """Also in a hybrid, where LAMMPS adds what its styles give."""
    crystal(3).write(tmp_path, 1.0)
    lj.write_model(lj.argon(), tmp_path / "model.pt")
    zbl = "hybrid/overlay {} zbl 3.0 4.0\npair_coeff * * zbl 18 18\npair_coeff * * {} {}"
    for ours, theirs in (
        ("lampion\npair_coeff * * model.pt Ar", "lj/cut 8.5\npair_coeff * * 0.0104 3.4"),
        (zbl.format("lampion", "lampion", "model.pt Ar"), zbl.format("lj/cut 8.5", "lj/cut", "0.0104 3.4")),
    ):
        motion = FLUX.format(1000, 0.001, "centroid/stress/atom", 20)
        got = lmp(script(f"pair_style {ours}", then=motion), ranks).thermo()
        expected = lmp(script(f"pair_style {theirs}", then=motion.replace("centroid/", "")), ranks).thermo()
        np.testing.assert_allclose(flux(got), flux(expected), rtol=1e-8, atol=1e-10 * np.abs(flux(expected)).max())
