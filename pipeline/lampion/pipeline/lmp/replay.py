"""A run set up again: its atoms and its potential, from the commands that its log echoes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lampion.analysis.log import scan_log
from lampion.analysis.thermo import UNIT_STYLES
from lampion.training.errors import DataError

#: what makes the atoms and their velocities
ATOMS = frozenset((
    "units", "dimension", "newton", "boundary", "atom_style", "atom_modify", "box", "lattice", "region", "create_box",
    "create_atoms", "read_data", "read_restart", "mass", "group", "velocity", "displace_atoms", "replicate",
    "change_box", "delete_atoms", "set", "molecule", "labelmap",
))  # fmt: skip
#: what a restart file does not hold of forces and neighbor lists
POTENTIAL = frozenset((
    "pair_style", "pair_coeff", "pair_modify", "special_bonds", "kspace_style", "kspace_modify", "dielectric",
    "comm_modify", "neighbor", "neigh_modify",
))  # fmt: skip
#: what moves atoms before the last run, so that the commands alone do not lead to its start
_MOVING = frozenset(("run", "minimize"))
_MAGIC = b"LammpS RestartT"


@dataclass(frozen=True)
class Replay:
    """What sets a run up.

    Attributes:
        atoms: commands that lead to the atoms at the start of the last run, or to those of a restart file.
        potential: commands of forces and neighbor lists.
        units: LAMMPS's.
        time_step: in these units.
        model: file named in pair_coeff. names: of the atom types, as it knows them.
    """

    atoms: tuple[str, ...]
    potential: tuple[str, ...]
    units: str
    time_step: float
    model: Path
    names: tuple[str, ...]

    @property
    def isolated(self) -> bool:
        """Whether atoms of different molecules are kept from seeing each other."""
        return any("exclude molecule/inter all" in line for line in self.potential)

    def with_precision(self, precision: str) -> tuple[str, ...]:
        """The potential's commands, the model evaluated in float32 or float64."""
        return tuple(_with_precision(line, precision) for line in self.potential)

    @property
    def precision(self) -> str | None:
        """What the run asked for; None for the model's own."""
        words = next(line.split() for line in self.potential if line.startswith("pair_style"))
        asked = words[words.index("precision") + 1] if "precision" in words else "model"
        return None if asked == "model" else asked

    def with_model(self, model: Path) -> "Replay":
        """The same with the model file at another place."""
        moved = tuple(line.replace(str(self.model), str(model)) for line in self.potential)
        return replace(self, potential=moved, model=model)


def replay(log: Path) -> Replay:
    """Read the log of a run with pair_style lampion.

    Files named relative to the run's folder become absolute. If an earlier run or minimisation led to the start of the
    last one, or the file of the atoms is gone, the newest whole restart file beside the log takes its place.

    Raises:
        DataError: no log, no units, no model in it, or no way to the atoms.
    """
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{log}: cannot be read ({error.strerror}); give the folder of a run") from None
    scan, commands = scan_log(text), _commands(text, log)
    if scan.units not in UNIT_STYLES:
        raise DataError(f"{log}: units {scan.units} have no Å and no eV; runs in {', '.join(UNIT_STYLES)} are taken")
    step = scan.sections[-1].time_step
    potential = tuple(absolute(line, log.parent) for line in commands if line.split()[0] in POTENTIAL)
    model, names = _model(potential, log)
    return Replay(
        atoms=_atoms(commands, log),
        potential=potential,
        units=scan.units,
        time_step=scan.default_time_step() if step is None else step,
        model=model,
        names=names,
    )


def _commands(text: str, log: Path) -> list[str]:
    """The commands before the last run. LAMMPS echoes a line with variables again with their values: those count."""
    lines = [line.split("#")[0].strip() for line in text.splitlines() if "$" not in line and " CPU = " not in line]
    known = ATOMS | POTENTIAL | _MOVING
    commands = [line for line in lines if len(line.split()) > 1 and line.split()[0] in known]
    last = max((k for k, line in enumerate(commands) if line.split()[0] == "run"), default=None)
    if last is None:
        raise DataError(f"{log}: no `run` in it; give the folder of a run")
    return [line for line in commands[:last] if line.split()[:2] != ["run", "0"]]


def _atoms(commands: Sequence[str], log: Path) -> tuple[str, ...]:
    moved = any(line.split()[0] in _MOVING for line in commands)
    chosen = [absolute(line, log.parent) for line in commands if line.split()[0] in ATOMS]
    files = [Path(line.split()[1]) for line in chosen if line.split()[0] in ("read_data", "read_restart")]
    if not moved and all(path.is_file() for path in files):
        return tuple(chosen)
    restart = newest_restart(log.parent)
    if restart is None:
        raise DataError(
            f"{log.parent}: the start of the last run cannot be rebuilt: "
            + ("earlier runs led to it" if moved else f"{', '.join(map(str, files))} is gone")
            + ", and there is no restart file; write some (`restart 1000 run.restart.1 run.restart.2`)"
        )
    return (f"read_restart {restart}",)


def newest_restart(folder: Path) -> Path | None:
    """The last restart file of LAMMPS in a folder that was written to its end."""
    candidates = [path for path in folder.glob("*restart*") if path.is_file()]
    found = sorted(candidates, key=lambda path: path.stat().st_mtime, reverse=True)
    return next((path for path in found if _whole_restart(path)), None)


def _whole_restart(path: Path) -> bool:
    """The magic string is at both ends."""
    with path.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            return False
        stream.seek(max(path.stat().st_size - 64, len(_MAGIC)))
        return _MAGIC in stream.read()


def absolute(line: str, folder: Path) -> str:
    """A command whose names of files that exist in `folder` are valid anywhere."""
    words = line.split()
    return " ".join(str((folder / word).resolve()) if (folder / word).is_file() else word for word in words)


def _model(potential: Sequence[str], log: Path) -> tuple[Path, tuple[str, ...]]:
    """File and names of the last pair_coeff of pair_style lampion."""
    styles = [line.split() for line in potential if line.startswith("pair_style")]
    if not styles or "lampion" not in styles[-1]:
        raise DataError(f"{log}: the run has no pair_style lampion; only runs of a model file can be taken apart")
    words = next(line.split() for line in reversed(potential) if line.startswith("pair_coeff * *"))
    file, *names = [word for word in words[3:] if word != "lampion"]
    return Path(file), tuple(names)


def _with_precision(line: str, precision: str) -> str:
    words = line.split()
    if words[0] != "pair_style" or "lampion" not in words:
        return line
    at = words.index("lampion") + 1
    if "precision" in words[at:]:
        old = words.index("precision", at)
        del words[old : old + 2]
    return " ".join([*words[:at], "precision", precision, *words[at:]])
