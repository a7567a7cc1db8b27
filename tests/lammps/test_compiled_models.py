"""A compiled model file gives in lmp what the TorchScript file of the same model gives, and is refused elsewhere.

With the environment variable LAMPION_TEST_COMPILED set, all tests of this folder compile the models they can:
`LAMPION_TEST_COMPILED=1 pytest tests/lammps`, half an hour.
"""

import json
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import laws
import lj
from lampion.deploy import plugin_dir
from lampion.deploy.modelfile import load_model, read_manifest
from stock_lmp import Finished, System, crystal, script

Lmp = Callable[..., Finished]
PAIR = "pair_style lampion {}\npair_coeff * * {} A B"


def write(module: torch.nn.Module, n_layers: int, folder: Path) -> Path:
    """`model.pt` and `model.pt2`."""
    lj.write_model(module, folder / "model.pt", ("A", "B"), laws.CUTOFF, n_layers)
    assert lj.write_compiled(module, read_manifest(folder / "model.pt"), folder / "model.pt2")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers in float64."""
    return write(laws.potential(l_max=1, channels=4), 2, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module that has no layers."""
    return write(lj.argon(2), 1, tmp_path_factory.mktemp("pairs"))


SYSTEMS = {
    "crystal": crystal(3, n_types=2, a=4.4, tilt=True),
    "one atom": System(np.full((1, 3), 2.0), np.full(3, 30.0), np.array([2])),
    "its own neighbor": System(np.full((1, 3), 1.0), np.full(3, 3.1), np.array([2])),
    "pair and a lone atom": System(
        np.array([[1.0, 1, 1], [3.5, 1, 1], [20, 20, 20]]), np.full(3, 30.0), np.array([1, 2, 1])
    ),
}


def assert_same(got: Finished, expected: Finished, tolerance: float = 1e-12) -> None:
    """Energies, pressures, forces, energies and stresses per atom, relative to the largest of their kind."""
    for columns, others in ((got.thermo(), expected.thermo()), (got.atoms(), expected.atoms())):
        for key, values in others.items():
            kind = [np.abs(other).max() for name, other in others.items() if name[0] == key[0]]
            np.testing.assert_allclose(columns[key], values, rtol=0, atol=tolerance * max(*kind, 1.0), err_msg=key)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("kind", ["models", pytest.param("pairs", marks=pytest.mark.slow)])
@pytest.mark.parametrize("system", SYSTEMS)
def test_compiled_is_torchscript(
    lmp: Lmp, tmp_path: Path, request: pytest.FixtureRequest, system: str, kind: str, ranks: int
) -> None:
    folder = request.getfixturevalue(kind)
    SYSTEMS[system].write(tmp_path, 1.0)
    expected = lmp(script(PAIR.format("", folder / "model.pt")))
    assert_same(lmp(script(PAIR.format("", folder / "model.pt2")), ranks), expected)


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fused code in float32, and the same weights as TorchScript in float64."""
    folder = tmp_path_factory.mktemp("fused")
    settings = {"preset": "medium", "channels": 8, "layers": 3}
    single, double = (laws.potential(dtype, **settings) for dtype in ("float32", "float64"))
    double.load_state_dict({key: value.double() for key, value in single.state_dict().items()})
    lj.write_model(single, folder / "single.pt", ("A", "B"), laws.CUTOFF, 3)
    assert lj.write_compiled(single, read_manifest(folder / "single.pt"), folder / "model.pt2")
    lj.write_model(double, folder / "model.pt", ("A", "B"), laws.CUTOFF, 3)
    return folder


@pytest.mark.parametrize(
    ("options", "ranks", "threads"),
    [("", 1, "1"), ("", 2, "1"), ("", 4, "1"), ("exchange ghost", 2, "1"), ("", 1, "2")],
)
@pytest.mark.parametrize("system", SYSTEMS)
def test_fused_code_is_the_model_in_single_precision(
    lmp: Lmp, tmp_path: Path, fused: Path, system: str, options: str, ranks: int, threads: str
) -> None:
    """A block of centers, several of them, and ranks and threads without any: all to 1e-6 of double precision."""
    SYSTEMS[system].write(tmp_path, 1.0)
    expected = lmp(script(PAIR.format("", fused / "model.pt")))
    got = lmp(script(PAIR.format(options, fused / "model.pt2")), ranks, env={"OMP_NUM_THREADS": threads})
    assert_same(got, expected, 1e-6)


@pytest.mark.parametrize(("options", "ranks", "threads"), [("exchange ghost", 2, "1"), ("", 1, "2")])
def test_ways_and_threads(lmp: Lmp, tmp_path: Path, models: Path, options: str, ranks: int, threads: str) -> None:
    SYSTEMS["crystal"].write(tmp_path, 1.0)
    expected = lmp(script(PAIR.format("", models / "model.pt")))
    env = {"OMP_NUM_THREADS": threads}
    got = lmp(script(PAIR.format(options, models / "model.pt2")), ranks, env=env)
    assert f"{threads} thread(s) per MPI rank" in got.output
    assert_same(got, expected)


def test_threads_are_there_to_share_the_work() -> None:
    """Compiled without OpenMP, at::parallel_for is a loop: the results are right, and a second thread gains nothing."""
    symbols = subprocess.run(["nm", "-D", Path(plugin_dir()) / "liblampionmodel.so"], capture_output=True, text=True)
    assert re.search(r"U (GOMP_parallel|__kmpc_fork_call)", symbols.stdout), symbols.stdout + symbols.stderr


def test_virials_of_the_heat_flux(lmp: Lmp, tmp_path: Path, models: Path) -> None:
    SYSTEMS["crystal"].write(tmp_path, 1.0)
    flux = "compute c all centroid/stress/atom NULL virial\ndump 2 all custom 1 dump id c_c[*]\n"
    flux += "dump_modify 2 format float %.17g\nundump 1\nrun 0"
    expected, got = (lmp(script(PAIR.format("", models / name), then=flux)) for name in ("model.pt", "model.pt2"))
    assert_same(got, expected)


def changed(source: Path, target: Path, **entries: object) -> Path:
    """The archive with other entries in its manifest."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("extra/lampion.json"):
                content = json.dumps(json.loads(content) | entries).encode()
            new.writestr(name, content)
    return target


REFUSALS = {
    "processor": (
        "processor",
        ["sse2", "avx4096"],
        r"made for a processor with avx4096, which this one has not; export",
    ),
    "interface": ("interface", 7, r"machine code has interface 7, and this Lampion calls 1 and 2; export it anew"),
}


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("case", [*REFUSALS, "torch", "precision", "device"])
def test_code_for_something_else_is_refused(lmp: Lmp, tmp_path: Path, models: Path, case: str, ranks: int) -> None:
    SYSTEMS["crystal"].write(tmp_path, 1.0)
    good = read_manifest(models / "model.pt2")
    options, model = "", models / "model.pt2"
    if case in REFUSALS:
        key, value, message = REFUSALS[case]
        model = changed(model, tmp_path / "model.pt2", compiled={**(good.compiled or {}), key: value})
    elif case == "torch":
        model = changed(model, tmp_path / "model.pt2", versions={"torch": "1.13.1"})
        message = r"made by torch 1\.13\.1, and this Lampion runs torch .*export it anew"
    elif case == "precision":
        options, message = "precision float32", r"machine code computes in float64; write: precision model"
    else:
        options, message = "device cuda:0", r"machine code is for the CPU; write: device cpu"
    done = lmp(script(PAIR.format(options, model)), ranks, good=False)
    assert re.search(r"ERROR: Model file .*model\.pt2 cannot be used: .*" + message, done.output), done.output


def test_nothing_stays_in_the_folder_for_temporary_files(lmp: Lmp, tmp_path: Path, models: Path) -> None:
    SYSTEMS["crystal"].write(tmp_path, 1.0)
    (tmp_path / "temporary").mkdir()
    env = {"TMPDIR": str(tmp_path / "temporary")}
    lmp(script(PAIR.format("", models / "model.pt2")), env=env)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_python_reads_the_same_model(models: Path) -> None:
    module, manifest = load_model(models / "model.pt2")
    script_module, _ = load_model(models / "model.pt")
    assert manifest.compiled is not None
    edges, vectors = torch.tensor([[0, 1], [1, 0]]), torch.tensor([[1.5, 0.3, 0.1], [-1.5, -0.3, -0.1]])
    arguments = (torch.tensor([0, 1]), edges, vectors.double())
    torch.testing.assert_close(module(*arguments), script_module(*arguments))
