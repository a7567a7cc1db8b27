"""How `lmp` finds the plugin, and what happens when torch or a neighbour's plugin is broken."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

import lj
from lampion.deploy import plugin_dir
from stock_lmp import Finished, crystal, launch, script

Lmp = Callable[..., Finished]
PAIR = "pair_style lampion\npair_coeff * * model.pt Ar"


@pytest.fixture(autouse=True)
def argon(tmp_path: Path) -> Path:
    crystal(2).write(tmp_path, 1.0)
    lj.write_model(lj.argon(), tmp_path / "model.pt")
    return tmp_path


def torch_lib() -> Path:
    spec = find_spec("torch")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent / "lib"


def moved_plugin(folder: Path) -> Path:
    """The plugin in a site-packages of its own, beside which the test puts the torch it wants."""
    lib = folder / "site" / "lampion" / "deploy" / "lib"
    lib.mkdir(parents=True)
    for built in Path(plugin_dir()).glob("*.so"):
        content = built.read_bytes()
        (lib / built.name).write_bytes(content)
    return lib


def test_installed_lmp_finds_the_style_in_any_folder(argon: Path) -> None:
    (argon / "in.lmp").write_text(script(PAIR))
    env = {k: v for k, v in os.environ.items() if k not in ("LAMMPS_PLUGIN_PATH", "LD_LIBRARY_PATH", "PYTHONPATH")}
    done = launch([str(Path(sys.prefix) / "bin" / "lmp"), "-in", "in.lmp", "-log", "none"], argon, env)
    assert done.code == 0, done.output
    assert "Lampion model model.pt" in done.output


def test_finding_the_plugin_imports_no_torch() -> None:
    code = "import sys, lampion.deploy as d; print(d.plugin_dir(), 'torch' in sys.modules)"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    folder, imported = done.stdout.split()
    assert (Path(folder) / "lampionplugin.so").exists()
    assert imported == "False"


def test_lmp_without_the_style_does_not_load_torch(lmp: Lmp) -> None:
    tell = "shell 'echo mapped: `grep -c libtorch_cpu /proc/$PPID/maps`'"
    idle = lmp(f"units metal\n{tell}")
    assert "mapped: 0\n" in idle.output
    busy = lmp(f"{script(PAIR)}\n{tell}")
    assert "mapped: " in busy.output
    assert "mapped: 0\n" not in busy.output


@pytest.mark.parametrize("content", [b"no shared object", b""], ids=["garbage", "empty"])
def test_broken_plugin_of_another_package_does_no_harm(lmp: Lmp, argon: Path, content: bytes) -> None:
    other = argon / "other"
    other.mkdir()
    (other / "otherplugin.so").write_bytes(content)
    for path in (f"{other}:{plugin_dir()}", f"{plugin_dir()}:{other}"):
        assert "Lampion model" in lmp(script(PAIR), env={"LAMMPS_PLUGIN_PATH": path}).output


def test_plugin_found_twice_does_no_harm(lmp: Lmp) -> None:
    path = f"{plugin_dir()}:{plugin_dir()}"
    assert "Lampion model" in lmp(script(PAIR), env={"LAMMPS_PLUGIN_PATH": path}).output


def test_missing_torch_is_named_with_the_cure(lmp: Lmp, argon: Path) -> None:
    env = {"LAMMPS_PLUGIN_PATH": str(moved_plugin(argon))}
    done = lmp(script(PAIR), ranks=2, good=False, env=env)
    assert "ERROR: Lampion cannot load torch 2.13.0 (libtorch" in done.output
    assert "write: pip install torch==2.13.0" in done.output
    lmp("units metal", env=env)  # lmp itself is not affected


@pytest.mark.parametrize(("found", "good"), [("2.12.1", False), ("2.13.7+cu130", True)])
def test_torch_of_another_minor_version_is_refused(lmp: Lmp, argon: Path, found: str, good: bool) -> None:
    env = {"LAMMPS_PLUGIN_PATH": str(moved_plugin(argon))}
    torch = argon / "site" / "torch"
    torch.mkdir()
    (torch / "lib").symlink_to(torch_lib())
    (torch / "version.py").write_text(f"from typing import Optional\n__version__ = '{found}'\n")
    done = lmp(script(PAIR), good=good, env=env)
    refusal = f"compiled for torch 2.13.0, but found torch 2.12.1 in {torch}; write: pip install torch==2.13.0"
    assert (refusal in done.output) is not good


def test_style_can_be_unloaded_while_it_is_in_use(lmp: Lmp, argon: Path) -> None:  # noqa: ARG001 - writes the model
    native = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\nrun 0"
    done = lmp(script(PAIR, then=f"run 0\nplugin unload pair lampion\n{native}"))
    energies = [line.split()[2] for line in done.output.splitlines() if line.split()[:1] == ["0"]]
    assert float(energies[0]) == pytest.approx(float(energies[1]), rel=1e-9)
    again = lmp(script(PAIR, then="plugin unload pair lampion\npair_style lampion"), good=False)
    assert "ERROR: Unrecognized pair style 'lampion'" in again.output


def test_ghost_shell_cannot_be_made_too_small(lmp: Lmp, argon: Path) -> None:  # noqa: ARG001 - writes the model
    expected = lmp(script(PAIR), 2).thermo()["PotEng"]
    done = lmp(script(PAIR, then="comm_modify cutoff 3.0\nrun 0"), 2)
    assert "Communication cutoff adjusted to 10.5" in done.output
    assert done.thermo()["PotEng"] == expected
