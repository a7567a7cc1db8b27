"""What a run says, and when it stops, as it leaves the training data or loses its numbers."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from torch import Tensor

import lj
from lampion.deploy.modelfile import Manifest, save_model
from lampion.training.models.edges import read_senders
from layered import Layered
from stock_lmp import Finished, System, crystal, script

Lmp = Callable[..., Finished]
SYSTEM = crystal(3, n_types=2)
TRAINED = {"Ar-Ar": 3.6, "Ar-Kr": 3.5}  # Å; Kr-Kr was never seen
PAIR = "pair_style lampion {}\npair_coeff * * model.pt Ar Kr"


def write(
    folder: Path, system: System = SYSTEM, module: torch.nn.Module | None = None, training: dict[str, float] = TRAINED
) -> None:
    system.write(folder, 1.0)
    manifest = Manifest(8.5, ("Ar", "Kr"), 1, "float64", training={"shortest_distance": training})
    save_model(torch.jit.script(module or lj.argon(2)), manifest, folder / "model.pt")


def pairs(system: System, names: str, limit: float) -> np.ndarray:
    """ASE's distances of all pairs of these types below `limit`, each pair once."""
    i, j, d = neighbor_list("ijd", Atoms(positions=system.positions, cell=system.box, pbc=True), limit)
    kinds = [{"Ar": 1, "Kr": 2}[name] for name in names.split("-")]
    chosen = np.sort(np.stack([system.types[i], system.types[j]]), axis=0) == np.sort(kinds)[:, None]
    return np.sort(d[chosen.all(0)])[::2]


def reported(done: Finished) -> dict[str, tuple[float, ...]]:
    """Per pair of the last report: pair-steps, shortest distance, shortest in training."""
    line = [line for line in done.output.splitlines() if line.startswith("Lampion: pairs came closer")][-1]
    found = re.findall(r"(\w+-\w+): (\d+) pair-steps, shortest ([\d.]+), in training ([\d.]+)", line)
    return {name: tuple(map(float, numbers)) for name, *numbers in found}


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize(
    ("system", "limits"),
    [(SYSTEM, TRAINED), (crystal(1, n_types=2), {"Ar-Ar": 5.6, "Ar-Kr": 4.0})],
    ids=["crystal", "own-images"],
)
def test_short_pairs_are_counted_once_each(
    lmp: Lmp, tmp_path: Path, system: System, limits: dict[str, float], ranks: int
) -> None:
    write(tmp_path, system, training=limits)
    got = reported(lmp(script(PAIR.format("")), ranks))
    for name, limit in limits.items():
        expected = pairs(system, name, limit)
        assert len(expected) > 0
        assert got[name] == pytest.approx((len(expected), expected[0], limit), rel=1e-5)
    assert set(got) == set(limits)


def test_every_run_reports_its_own_steps(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path)
    done = lmp(script(PAIR.format("distance count"), then="run 4\nrun 0"))  # nothing moves
    counts = [int(n) for n in re.findall(r"Ar-Ar: (\d+) pair-steps", done.output)]
    assert counts == [5 * counts[1], counts[1]]


def test_distances_are_those_of_the_run(lmp: Lmp, tmp_path: Path) -> None:
    write(tmp_path)
    expected = reported(lmp(script(PAIR.format(""))))
    SYSTEM.write(tmp_path, 10.0)
    got = reported(lmp(script(PAIR.format(""), units="nano")))
    for name, (count, shortest, limit) in expected.items():
        assert got[name] == pytest.approx((count, shortest / 10, limit / 10), rel=1e-5)


@pytest.mark.parametrize(
    ("keywords", "training", "said"),
    [
        ("", {"Ar-Ar": 3.0}, "Lampion: no pair came closer than in the training data"),
        ("", {}, "does not tell the shortest distances of its training data, so short pairs are not counted"),
        ("distance off", TRAINED, ""),
        ("distance stop", {"Ar-Ar": 3.0}, "Lampion: no pair came closer than in the training data"),
    ],
)
def test_nothing_to_count(lmp: Lmp, tmp_path: Path, keywords: str, training: dict[str, float], said: str) -> None:
    write(tmp_path, training=training)
    output = lmp(script(PAIR.format(keywords))).output
    assert said in output
    assert "pair-steps" not in output
    assert said or "training data" not in output


# two atoms meet head on, 0.1 Å nearer at each step, in a corner that only one rank owns
FAR = System(np.array([[4.0, 4, 4], [8.95, 4, 4], [35, 6, 6]]), np.array([40.0, 10, 10]), np.array([1, 1, 2]))
MEET = "group b id 2\nvelocity b set -100 0 0\nfix 1 all nve\ntimestep 0.001\nthermo 1\nrun 20"


@pytest.mark.parametrize("ranks", [1, 2])
def test_run_stops_on_the_step_of_a_short_pair(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    write(tmp_path, FAR, training={"Ar-Ar": 4.5})
    done = lmp(script(PAIR.format("distance stop"), boundary="f f f", then=MEET), ranks, good=False)
    found = re.search(r"ERROR: Atoms (\d) and (\d) are ([\d.]+) apart at step (\d+), and 4.5 is the", done.output)
    assert found, done.output
    assert {found[1], found[2]} == {"1", "2"}
    assert float(found[3]) == pytest.approx(4.45, abs=0.01)
    assert found[4] == "5"


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("gradient_only", [False, True], ids=["energy", "gradient"])
def test_numbers_that_are_none_stop_the_run_with_the_worst_atoms(
    lmp: Lmp, tmp_path: Path, ranks: int, gradient_only: bool
) -> None:
    write(tmp_path, module=lj.Fragile(3.45, gradient_only), training={})
    index, distance = neighbor_list("id", Atoms(positions=SYSTEM.positions, cell=SYSTEM.box, pbc=True), 3.45)
    nearest = {k: distance[index == k].min() for k in set(index)}
    worst = sorted(nearest, key=lambda k: nearest[k])
    assert len(worst) > 5
    done = lmp(script(PAIR.format("")), ranks, good=False)
    assert "ERROR: The model returned an energy or a gradient that is no finite number at step 0" in done.output
    named = re.findall(r"(\d+) \(type (\d)\) at \((\S+) (\S+) (\S+)\), nearest neighbor at ([\d.]+)", done.output)
    assert len(named) == 5
    assert {int(atom[0]) - 1 for atom in named[:4]} == set(worst[:4])  # both ends of a pair are equally near
    for atom in named:
        k = int(atom[0]) - 1
        assert int(atom[1]) == SYSTEM.types[k]
        np.testing.assert_allclose([float(x) for x in atom[2:5]], SYSTEM.positions[k] % SYSTEM.box, rtol=1e-6)
        assert float(atom[5]) == pytest.approx(nearest[k], rel=1e-5)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_layers_that_lose_their_numbers_stop_every_rank(lmp: Lmp, tmp_path: Path, ranks: int) -> None:
    """One krypton spoils the energies of its surroundings, also of those on other ranks."""
    types = np.ones(len(SYSTEM.positions), dtype=np.int64)
    types[7] = 2
    System(SYSTEM.positions, SYSTEM.box, types).write(tmp_path, 1.0)
    model = lj.LayeredDensity(5.0, 2)
    model.weights[1] = torch.nan
    lj.write_model(model, tmp_path / "model.pt", ("Ar", "Kr"), 5.0, 3)
    done = lmp(script(PAIR.format("")), ranks, good=False)
    assert "gradient that is no finite number at step 0" in done.output
    assert done.output.count(", nearest neighbor at ") == 5


class Brittle(Layered):
    """No forces; the first of two layers hands on states of NaN, or raises, where atoms are nearer than 4.5 Å."""

    def __init__(self, raises: bool) -> None:
        super().__init__(n_layers=2)
        self.raises = raises

    @torch.jit.export
    def embed(self, types: Tensor) -> Tensor:
        return torch.ones(types.shape[0], 1, dtype=torch.float64)

    @torch.jit.export
    def layer(
        self,
        k: int,
        n_centers: int,
        types: Tensor,  # noqa: ARG002 - part of the contract
        state: Tensor,
        edge_index: Tensor,
        edge_vectors: Tensor,
    ) -> tuple[Tensor, Tensor]:
        gap = (edge_vectors**2).sum(1) - 4.5**2
        if self.raises and bool((gap < 0).any()):
            raise ValueError("too near for this model")
        messages = 0.0 * (torch.sqrt(gap) if k == 0 else gap).unsqueeze(1) * read_senders(state, edge_index)
        out = state[:n_centers].index_add(0, edge_index[0], messages)
        return out, 0.0 * out[:, 0]


def meet_on_one_of_two_ranks(lmp: Lmp, folder: Path, raises: bool) -> str:
    """What `lmp` prints as it stops; the other rank owns an atom that sees nobody, and waits in the exchange."""
    FAR.write(folder, 1.0)
    lj.write_model(Brittle(raises), folder / "model.pt", ("Ar", "Kr"), 6.0, n_layers=2)
    done = lmp(script(PAIR.format("exchange layer"), boundary="f f f", then=MEET), 2, good=False)
    assert "2 by 1 by 1 MPI processor grid" in done.output
    assert re.search(r"^ +4 .*\n", done.output, re.MULTILINE)
    assert not re.search(r"^ +5 .*\n", done.output, re.MULTILINE)
    return " ".join(done.output.split())


def test_states_without_numbers_on_one_rank_stop_both(lmp: Lmp, tmp_path: Path) -> None:
    output = meet_on_one_of_two_ranks(lmp, tmp_path, raises=False)
    assert "ERROR: The model returned an energy or a gradient that is no finite number at step 5; look" in output
    named = re.findall(r"(\d+) \(type (\d)\) at \(\S+ \S+ \S+\), nearest neighbor at ([\d.]+)", output)
    assert sorted(named) == [("1", "1", "4.45"), ("2", "1", "4.45")]


def test_layer_that_raises_on_one_rank_stops_both(lmp: Lmp, tmp_path: Path) -> None:
    assert "ERROR on proc 0: " in (output := meet_on_one_of_two_ranks(lmp, tmp_path, raises=True))
    assert "too near for this model" in output
