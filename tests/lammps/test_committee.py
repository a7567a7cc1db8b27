"""`compute lampion/deviation` against forces and energies dumped by one native run per member of the committee."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import lj
from stock_lmp import UNITS, Finished, System, crystal, script

Lmp = Callable[..., Finished]
CUTOFF = 5.0
NAMES = ("Ar", "Kr")
SYSTEM = crystal(2, n_types=2)
PAIR = "pair_style lampion\npair_coeff * * 0.pt Ar Kr"


class Scaled(torch.nn.Module):
    """Another model's energies times a number, so that its forces differ from the model's by a known share."""

    def __init__(self, model: torch.nn.Module, factor: float) -> None:
        super().__init__()
        self.model, self.factor = model, factor

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        return self.factor * self.model(types, edge_index, edge_vectors)


class Touchy(torch.nn.Module):
    """Raises an error if two atoms are between 4 and 5 Å apart."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:  # noqa: ARG002
        r = edge_vectors.square().sum(1).sqrt()
        if bool(((r > 4.0) & (r < 5.0)).any()):
            raise ValueError("asked on the wrong step")
        return torch.zeros(types.shape[0], dtype=edge_vectors.dtype)


def layered(shift: float) -> lj.LayeredDensity:
    model = lj.LayeredDensity(CUTOFF, len(NAMES))
    model.weights += shift
    return model


def lennard_jones(factor: float) -> lj.LennardJones:
    model = lj.argon(len(NAMES))
    return lj.LennardJones(factor * model.epsilon, model.sigma)


LAYERED = [(layered(shift), CUTOFF, 3) for shift in (0.0, 0.2, -0.1)]
COMMITTEES = {
    "one layer": [(lennard_jones(factor), lj.ARGON["cutoff"], 1) for factor in (1.0, 1.1, 0.7)],
    "three layers": LAYERED,
    "whole": [(lj.Unlayered(model), *rest) for model, *rest in LAYERED],
    "mixed": [(lennard_jones(1.0), lj.ARGON["cutoff"], 1), LAYERED[0]],
}


def write(folder: Path, committee: Sequence[tuple[torch.nn.Module, float, int]], system: System = SYSTEM) -> None:
    system.write(folder, 1.0)
    for k, (module, cutoff, n_layers) in enumerate(committee):
        lj.write_model(module, folder / f"{k}.pt", NAMES, cutoff, n_layers)


def with_deviation(
    n_members: int, then: str = "run 0", pair: str = PAIR, group: str = "all", units: str = "metal"
) -> str:
    """The script of `stock_lmp` with the committee's figures in thermo output and dump."""
    files = " ".join(f"{k}.pt" for k in range(1, n_members))
    lines = f"""compute d {group} lampion/deviation {files}
thermo_style custom step pe c_d[1] c_d[2] c_d[3]
thermo_modify format float %.17g
undump 1
dump 1 all custom 100 dump id type x y z fx fy fz c_d
dump_modify 1 format float %.17g
"""
    return script(pair, units, then=lines + then)


def figures(done: Finished) -> np.ndarray:
    """The compute's global vector at every line of thermo output."""
    thermo = done.thermo()
    return np.stack([thermo[f"c_d[{k}]"] for k in (1, 2, 3)], axis=1)


def expected(lmp: Lmp, n_members: int, units: str = "metal", pair: str = PAIR) -> tuple[np.ndarray, float]:
    """Force deviation per atom and energy deviation per atom from one run per member."""
    forces, energies = [], []
    for k in range(n_members):
        run = lmp(script(pair.replace("0.pt", f"{k}.pt"), units))
        atoms = run.atoms()
        forces.append([atoms[key] for key in ("fx", "fy", "fz")])
        energies.append(run.thermo()["PotEng"][-1])
    f = np.stack(forces)
    per_atom = np.sqrt(((f - f.mean(0)) ** 2).sum(1).mean(0))
    return per_atom, float(np.std(energies)) / f.shape[2]


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("name", COMMITTEES)
def test_deviation_is_that_of_separate_runs(lmp: Lmp, tmp_path: Path, name: str, ranks: int) -> None:
    committee = COMMITTEES[name]
    write(tmp_path, committee)
    forces, energy = expected(lmp, len(committee))
    done = lmp(with_deviation(len(committee)), ranks)
    assert forces.min() > 1e-6
    np.testing.assert_allclose(done.atoms()["c_d"], forces, rtol=1e-9)
    np.testing.assert_allclose(figures(done)[-1], [forces.max(), forces.mean(), energy], rtol=1e-8)


@pytest.mark.parametrize("name", ["one layer", "mixed"])
def test_rows_wider_than_the_running_models_pass_through_an_irregular_decomposition(
    lmp: Lmp, tmp_path: Path, name: str
) -> None:
    """Forces, and the states of a member, where the running model has nothing to send."""
    write(tmp_path, COMMITTEES[name])
    expected = lmp(with_deviation(len(COMMITTEES[name])), 2)
    tiled = lmp(with_deviation(len(COMMITTEES[name]), "comm_style tiled\nbalance 1.0 rcb\nrun 0"), 2)
    np.testing.assert_allclose(tiled.atoms()["c_d"], expected.atoms()["c_d"], rtol=1e-9)


@pytest.mark.parametrize("ranks", [1, 2])
def test_members_that_agree_deviate_by_nothing(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    write(tmp_path, [COMMITTEES["three layers"][0]] * 3)
    done = lmp(with_deviation(3), ranks)
    assert not figures(done).any()
    assert not done.atoms()["c_d"].any()


def test_group_counts_its_own_atoms_only(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path, COMMITTEES["one layer"])
    forces, energy = expected(lmp, 3)
    done = lmp(with_deviation(3, group="some").replace("compute d", "group some id 1:12\ncompute d"), 2)
    forces[12:] = 0.0
    np.testing.assert_allclose(done.atoms()["c_d"], forces, rtol=1e-9)
    np.testing.assert_allclose(figures(done)[-1], [forces.max(), forces[:12].mean(), energy], rtol=1e-8)


def test_other_units_and_another_order_of_elements(lmp: Lmp, tmp_path: Path) -> None:
    committee = COMMITTEES["one layer"][:2]
    write(tmp_path, committee)
    forces, energy = expected(lmp, 2)
    swapped = lj.LennardJones(committee[1][0].epsilon.flip(0, 1), committee[1][0].sigma.flip(0, 1))
    lj.write_model(swapped, tmp_path / "1.pt", NAMES[::-1])
    length, unit = UNITS["real"]
    done = lmp(with_deviation(2, units="real"))
    np.testing.assert_allclose(done.atoms()["c_d"], forces / unit * length, rtol=1e-9)
    np.testing.assert_allclose(figures(done)[-1][2], energy / unit, rtol=1e-8)


@pytest.mark.parametrize("ranks", [1, 2])
def test_under_hybrid_atoms_of_other_styles_do_not_count(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    pair = "pair_style hybrid lampion lj/cut 8.0\npair_coeff * * lampion 0.pt Ar NULL\npair_coeff 1*2 2 lj/cut 0.01 3.4"
    write(tmp_path, COMMITTEES["three layers"])
    forces, _ = expected(lmp, 3, pair=pair)
    done = lmp(with_deviation(3, pair=pair), ranks)
    seen = SYSTEM.types == 1
    np.testing.assert_allclose(done.atoms()["c_d"][seen], forces[seen], rtol=1e-9)
    assert not done.atoms()["c_d"][~seen].any()
    np.testing.assert_allclose(figures(done)[-1][:2], [forces[seen].max(), forces[seen].mean()], rtol=1e-8)


@pytest.mark.parametrize("ranks", [1, 2])
def test_stays_right_when_atoms_move_and_change_rank(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    committee = [
        (Scaled(lennard_jones(1.0), factor), lj.ARGON["cutoff"], 1) for factor in (1.0, 1.2)
    ]  # deviation = 0.1 |F|
    write(tmp_path, committee)
    then = "velocity all create 600 7 loop all\nneigh_modify delay 0 every 5 check no\nfix 1 all nve\nrun 100"
    atoms = lmp(with_deviation(2, then), ranks).atoms()
    size = np.sqrt(sum(atoms[key] ** 2 for key in ("fx", "fy", "fz")))
    np.testing.assert_allclose(atoms["c_d"], 0.1 * size, rtol=1e-9)


@pytest.mark.parametrize("ranks", [1, 2])
def test_fix_halt_stops_the_run_where_the_committee_disagrees(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    write(tmp_path, COMMITTEES["one layer"])
    run = "velocity all create 300 7 loop all\nfix 1 all nve\nthermo 1\n{}run 30"
    free = lmp(with_deviation(3, run.format("")), ranks)
    largest = figures(free)[:, 0]
    limit = (largest[:10].max() + largest.max()) / 2
    first = int(np.argmax(largest > limit))
    assert 10 <= first <= 30
    halt = f"variable d equal c_d[1]\nfix halt all halt 1 v_d > {limit:.17g} error continue\n"
    stopped = lmp(with_deviation(3, run.format(halt)), ranks)
    assert re.search(rf"^ *{first} .*\nLoop time", stopped.output, re.MULTILINE)
    assert f"Fix halt condition for fix-id halt met on step {first}" in stopped.output


TWO_ATOMS = """
units metal
region box block 0 20 0 20 0 20
create_box 2 box
create_atoms 1 single 2 5 5
create_atoms 2 single 8.1 5 5
mass * 40
pair_style lampion
pair_coeff * * 0.pt Ar Kr
velocity all set 0 0 0
group second id 2
velocity second set -100 0 0
timestep 0.01
fix 1 all nve
compute d all lampion/deviation 1.pt
thermo_style custom step pe c_d[1]
"""  # the distance is 6.1, 5.1, 4.1 and 3.1 Å after 0, 1, 2 and 3 steps


@pytest.mark.parametrize("ranks", [1, 2])
def test_evaluated_only_on_the_steps_that_ask(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    write(tmp_path, [(Scaled(lennard_jones(1.0), 0.0), 8.5, 1), (Touchy(), 8.5, 1)])
    lmp(f"{TWO_ATOMS}thermo 3\nrun 3", ranks)
    asked = lmp(f"{TWO_ATOMS}thermo 2\nrun 3", ranks, good=False)
    assert "asked on the wrong step" in asked.output


def test_between_runs_only_the_last_step_is_known(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path, COMMITTEES["one layer"])
    text = f"variable d equal c_d[1]\n{with_deviation(3)}\n"
    assert "value 0." in lmp(f'{text}print "value ${{d}}"').output
    gone = "group one id 1\ndelete_atoms group one compress no\n"
    refused = lmp(f'{text}{gone}print "value ${{d}}"', good=False)
    assert "between runs only values of the last step are there" in refused.output


def test_pair_style_that_is_gone_is_not_asked(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path, COMMITTEES["one layer"])
    native = "pair_style lj/cut 8\npair_coeff * * 0.01 3.4"
    text = f'variable d equal c_d[1]\n{with_deviation(3)}\n{native}\nprint "${{d}}"'
    assert "belongs to the pair_style lampion of the last run, which is gone" in lmp(text, good=False).output


REFUSED = {
    "no files": ("", PAIR, "write: compute d all lampion/deviation b.pt c.pt"),
    "no pair style": ("0.pt", "pair_style lj/cut 8\npair_coeff * * 0.01 3.4", "which this input does not have; write:"),
    "twice": (
        "0.pt",
        "pair_style hybrid/overlay lampion lampion\npair_coeff * * lampion 1 0.pt Ar Kr\n"
        "pair_coeff * * lampion 2 0.pt Ar Kr",
        "which this input has twice",
    ),
    "missing": ("lost.pt", PAIR, "Cannot open model file lost.pt"),
    "elements": ("argon.pt", PAIR, "argon.pt knows Ar, the model of pair_style lampion Ar Kr"),
    "reach": ("far.pt", PAIR, "far.pt reaches farther (1 x 9) than the model of pair_style lampion (1 x 8.5)"),
    "units": ("reduced.pt", PAIR, "the model is in reduced units (lj), but the run has units metal"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_misuse_is_refused_on_all_ranks(lmp: Lmp, tmp_path: Path, case: str) -> None:
    files, pair, sentence = REFUSED[case]
    write(tmp_path, COMMITTEES["one layer"][:1])
    lj.write_model(lj.argon(), tmp_path / "argon.pt")
    lj.write_model(lj.argon(2), tmp_path / "far.pt", NAMES, 9.0)
    lj.write_model(lj.argon(2), tmp_path / "reduced.pt", NAMES, units="lj")
    done = lmp(script(pair, then=f"compute d all lampion/deviation {files}\nrun 0"), 2, good=False)
    assert sentence in " ".join(done.output.split())


def test_whole_member_beside_a_layered_model_is_refused_on_two_ranks(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path, [LAYERED[0], COMMITTEES["whole"][0]])
    lmp(with_deviation(2))
    assert "1.pt has no embed and layer" in " ".join(lmp(with_deviation(2), 2, good=False).output.split())
