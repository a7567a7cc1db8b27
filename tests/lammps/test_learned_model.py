"""A learned model of three layers: ranks, ways of exchange, 500 steps of NPT, virial and lattice constant."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

import laws
import lj
from stock_lmp import Finished, System, command, crystal, environment, launch, script

Lmp = Callable[..., Finished]
# a hot crystal that drifts, so that atoms cross the ranks' borders and the ends of the box again and again
NPT = """
velocity all create 1200 7 loop geom
velocity all set 20 15 25 sum yes
neigh_modify every 5 delay 0 check yes
timestep 0.002
compute thermal all temp/com
fix 1 all npt temp 1200 1200 0.2 aniso 0 0 2
fix_modify 1 temp thermal
thermo_style custom step pe pxx pyy pzz pxy pxz pyz lx ly lz
thermo_modify norm no format float %.17g
run 500
write_data after.data nocoeff
"""
WAYS = [("layered", 1), ("layered", 2), ("layered", 4), ("whole", 1), ("whole", 2)]
A_CRYSTAL = crystal(3, n_types=2, a=4.1)
GROUPS = (("PotEng",), ("Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"), ("fx", "fy", "fz"), ("c_e",))


def write_models(folder: Path, scale: float = 1.0) -> None:
    """`layered.pt` and `whole.pt`: the same three layers with and without exchange between them, energies scaled."""
    for name, wrap in {"layered": lambda model: model, "whole": lj.Unlayered}.items():
        model = laws.potential(layers=3, l_max=1)
        model.scale *= scale
        lj.write_model(wrap(model), folder / f"{name}.pt", ("A", "B"), laws.CUTOFF, n_layers=3)


@pytest.fixture
def potential(tmp_path: Path) -> Path:
    write_models(tmp_path)
    return tmp_path


def pair(name: str = "layered", types: str = "A B") -> str:
    return f"pair_style lampion\npair_coeff * * {name}.pt {types}"


def state(done: Finished) -> list[np.ndarray]:
    """The last energy, pressure tensor, forces and energies per atom."""
    columns = {key: values[-1:] for key, values in done.thermo().items()} | done.atoms()
    return [np.array([columns[key] for key in group]) for group in GROUPS]


def largest_difference(got: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """Each quantity relative to its largest value."""
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize(("name", "ranks"), WAYS[1:])
def test_ranks_and_ways_agree(lmp: Lmp, potential: Path, name: str, ranks: int) -> None:
    crystal(3, n_types=2, a=4.4, tilt=True).write(potential, 1.0)
    expected = state(lmp(script(pair())))
    assert largest_difference(state(lmp(script(pair(name)), ranks)), expected) < 1e-10


@pytest.mark.parametrize("ranks", [1, 2])
def test_parts_of_a_graph_make_the_whole(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    """States of 256 numbers, of which a part holds a thousand edges; the first and the last atom have none."""
    inner = crystal(3, n_types=2, a=4.4)
    corners = np.array([[30.0, 30, 30], [30, 0, 30]])
    positions, types = np.insert(corners, 1, inner.positions, axis=0), np.insert([1, 2], 1, inner.types)
    System(positions, np.full(3, 31.0), types).write(tmp_path, 1.0)
    model = laws.potential(layers=3, l_max=1, channels=64)
    lj.write_model(model, tmp_path / "layered.pt", ("A", "B"), laws.CUTOFF, n_layers=3)
    lj.write_model(lj.Unlayered(model), tmp_path / "whole.pt", ("A", "B"), laws.CUTOFF, n_layers=3)
    expected, got = (
        state(lmp(script(pair(name), boundary="f f f"), n)) for name, n in (("whole", 1), ("layered", ranks))
    )
    assert largest_difference(got, expected) < 1e-10


def test_odd_numbers_of_floats_travel_two_to_a_double(lmp: Lmp, potential: Path) -> None:
    crystal(3, n_types=2, a=4.4, tilt=True).write(potential, 1.0)
    model = laws.potential("float32", layers=3, l_max=0, channels=5)
    lj.write_model(model, potential / "single.pt", ("A", "B"), laws.CUTOFF, n_layers=3, dtype=torch.float32)
    expected, got = (state(lmp(script(pair("single")), ranks)) for ranks in (1, 2))
    assert largest_difference(got, expected) < laws.TOLERANCE[torch.float32]


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """500 steps of NPT on one rank."""
    return travel(tmp_path_factory.mktemp("journey"), "layered", 1)


def travel(folder: Path, name: str, ranks: int, scale: float = 1.0) -> Finished:
    write_models(folder, scale)
    A_CRYSTAL.write(folder, 1.0)
    (folder / "in.lmp").write_text(script(pair(name), then=NPT))
    done = launch(command(ranks), folder, environment(), timeout=600)
    assert done.code == 0, done.output
    assert int(done.output.split("Neighbor list builds = ")[1].split()[0]) >= 30
    assert "Dangerous builds = 0" in done.output
    return done


def distance(got: Finished, expected: Finished) -> float:
    """Of two final states: positions and box relative to the box, all else as in `state`."""
    box = [np.array([done.thermo()[key][-1] for key in ("Lx", "Ly", "Lz")]) for done in (got, expected)]
    apart = np.array([got.atoms()[axis] - expected.atoms()[axis] for axis in "xyz"]).T / box[1]
    apart -= np.rint(apart)  # an atom on the border of the box may stand at either end
    return max(np.abs(apart).max(), np.abs(box[0] / box[1] - 1).max(), largest_difference(state(got), state(expected)))


SLOW_WAYS = [pytest.param(*way, marks=pytest.mark.slow) for way in WAYS[2:]]


@pytest.mark.parametrize(("name", "ranks"), [WAYS[1], *SLOW_WAYS])
def test_500_steps_of_npt_are_the_same_in_all_ways(
    lmp: Lmp, tmp_path: Path, journey: Finished, name: str, ranks: int
) -> None:
    """The trajectory is that of one rank; and a fresh process computes, in every way, what this one holds at its end.

    All ways take five minutes: `pytest -m slow tests/lammps/test_learned_model.py`.
    """
    done = travel(tmp_path, name, ranks)
    assert distance(done, journey) < 1e-10
    if name == "layered" and ranks == 2:
        assert changed_rank(A_CRYSTAL, done) > 20
        for other, n in WAYS:
            fresh = lmp(script(pair(other)).replace("atoms.data", "after.data"), n, folder=tmp_path)
            assert largest_difference(state(fresh), state(done)) < 1e-10, (other, n)


def test_a_model_changed_by_one_part_in_a_hundred_million_goes_elsewhere(tmp_path: Path, journey: Finished) -> None:
    assert distance(travel(tmp_path, "layered", 1, scale=1 + 1e-8), journey) > 1e-9


def changed_rank(system: System, done: Finished) -> int:
    """How many atoms are in the other half of the box, which is cut across z."""
    assert "1 by 1 by 2 MPI processor grid" in done.output
    before, now = system.positions[:, 2] / system.box[2], done.atoms()["z"] / done.thermo()["Lz"][-1]
    return int((np.floor(2 * before) % 2 != np.floor(2 * now) % 2).sum())


# change_box for a strain of e, and how it is taken back
STRAINS = {
    "Pxx": ("x scale {:.17g}", lambda e, _: 1 + e, lambda e, _: 1 / (1 + e)),
    "Pyy": ("y scale {:.17g}", lambda e, _: 1 + e, lambda e, _: 1 / (1 + e)),
    "Pzz": ("z scale {:.17g}", lambda e, _: 1 + e, lambda e, _: 1 / (1 + e)),
    "Pxy": ("xy delta {:.17g}", lambda e, edge: e * edge, lambda e, edge: -e * edge),
    "Pxz": ("xz delta {:.17g}", lambda e, edge: e * edge, lambda e, edge: -e * edge),
    "Pyz": ("yz delta {:.17g}", lambda e, edge: e * edge, lambda e, edge: -e * edge),
}
PRECISE = "thermo_modify norm no format float %.17g"
STEP = 5e-4
STENCIL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}  # first derivative, error of fourth order
BAR = 1.6021765e6  # eV/Å³, LAMMPS's own constant


@pytest.mark.parametrize(
    ("name", "ranks"), [("layered", 1), ("layered", 2), pytest.param("whole", 2, marks=pytest.mark.slow)]
)
def test_virial_is_the_derivative_of_the_energy(lmp: Lmp, potential: Path, name: str, ranks: int) -> None:
    system = crystal(2, n_types=2, a=4.4)
    system.write(potential, 1.0)
    edge = system.box[0]
    lines = ["change_box all triclinic", "thermo_style custom step pe pxx pyy pzz pxy pxz pyz", PRECISE, "run 0"]
    for text, strain, back in STRAINS.values():
        for k in STENCIL:
            there, again = (text.format(way(k * STEP, edge)) for way in (strain, back))
            lines += [f"change_box all {there} remap units box", "run 0", f"change_box all {again} remap units box"]
    done = lmp(without_dump(script(pair(name), then="\n".join(lines))), ranks)
    words = [line.split() for line in done.output.splitlines()]
    tables = np.array([row for row in words if row[:1] == ["0"] and len(row) == 8], dtype=float)
    energies, pressure = tables[1:, 1].reshape(6, 4), tables[0, 2:]
    slope = energies @ np.array(list(STENCIL.values())) / STEP
    np.testing.assert_allclose(pressure, -slope / edge**3 * BAR, atol=1e-6 * np.abs(pressure).max())


def without_dump(text: str) -> str:
    """LAMMPS does not make a box triclinic while a dump is open."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("dump"))


def test_box_relax_finds_the_minimum_of_the_energy_curve(lmp: Lmp, tmp_path: Path) -> None:
    """Of the random model with the opposite sign, which holds a crystal together."""
    write_models(tmp_path, scale=-1.0)
    model = laws.potential(layers=3, l_max=1)
    model.scale *= -1.0
    sites = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    curve = lambda a: laws.energy(model, a * sites, a * np.eye(3), np.zeros(4, dtype=np.int64))  # noqa: E731
    best = minimize_scalar(curve, bounds=(3.4, 3.9), options={"xatol": 1e-9})
    assert 3.5 < best.x < 3.8
    text = f"""
units metal
lattice fcc 3.7
region box block 0 3 0 3 0 3
create_box 1 box
create_atoms 1 box
mass 1 40
{pair(types="A")}
fix 1 all box/relax iso 0 vmax 1e-3
thermo_style custom step pe lx
thermo_modify norm no format float %.17g
min_modify line quadratic
minimize 0 1e-10 500 2000
"""
    thermo = lmp(text).thermo()
    assert thermo["Lx"][-1] / 3 == pytest.approx(best.x, rel=1e-5)
    assert thermo["PotEng"][-1] == pytest.approx(27 * best.fun, rel=1e-9)
