"""How fast is a learned potential beside LAMMPS's own for the material, and mace-torch? A crystal of 4,000 atoms."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ase.build import bulk
from matplotlib.figure import Figure

from benchmarks import models
from benchmarks.ase_md import mace_speed
from benchmarks.drawing import bars
from benchmarks.lmp import CELLS, crystal, learned_pair, run_lmp
from benchmarks.machine import cores_are_free
from benchmarks.materials import Material
from benchmarks.workshop import Record, Workshop, in_turns, middle

#: mace-torch takes seconds for a step of 4,000 atoms, so it is given fewer; its speed is counted per atom.
MACE_ATOMS = 256


@dataclass(frozen=True)
class Native:
    """The question for one material."""

    material: Material

    @property
    def TITLE(self) -> str:  # noqa: N802 - as the other questions have it
        return f"{self.material.name.capitalize()}: from native {self.material.native} to mace-torch"

    def prepare(self, shop: Workshop) -> None:
        """Generate, train, export and compile."""
        self._pairs(shop)
        self._mace(shop)

    def measure(self, shop: Workshop) -> Record:
        """Atom-steps/s of every potential, in turns; on two ranks or threads, too, if the cores are free for them."""
        parallel = cores_are_free() or shop.quick
        size, few = (500, 108) if shop.quick else (4000, MACE_ATOMS)
        mace, exported = self._mace(shop)

        def run(pair: str, atoms: int = size, ranks: int = 1, threads: int = 1) -> float:
            text = crystal(atoms, pair, of=self.material.crystal)
            return run_lmp(text, shop.seconds, ranks=ranks, threads=threads).speed

        jobs = {
            (name, ranks, threads, size): partial(run, pair, ranks=ranks, threads=threads)
            for name, pair in self._pairs(shop).items()
            for ranks, threads in ((1, 1), (2, 1), *([(1, 2)] if name == "learned, model.pt2" else []))
            if parallel or ranks * threads == 1
        }
        jobs |= {("mace-torch, model.pt", 1, 1, few): partial(run, self._learned_pair(exported), few)}
        jobs |= {("mace-torch, ASE", 1, 1, few): partial(self._ase, mace, few, shop.seconds)}
        found = in_turns({f"{key[0]}, {key[1]} x {key[2]}": job for key, job in jobs.items()}, shop.rounds)
        rows = [
            {"name": name, "ranks": ranks, "threads": threads, "atoms": atoms, **middle(speeds)}
            for (name, ranks, threads, atoms), speeds in zip(jobs, found.values(), strict=True)
        ]
        return {"rows": rows, "parallel": parallel, "errors": self.material.learned(shop)[1]}

    def _pairs(self, shop: Workshop) -> dict[str, str]:
        material = self.material
        files = {name: make(shop) for name, make in material.scripts.items()}
        files |= {f"learned, {name}": path for name, path in material.learned(shop)[0].items()}
        return {material.native: material.pair} | {name: self._learned_pair(path) for name, path in files.items()}

    def _learned_pair(self, model: Path) -> str:
        return learned_pair(model, self.material.element)

    def _mace(self, shop: Workshop) -> tuple[Path, Path]:
        """mace-torch's own file, and the same as a model file."""
        config = models.MACE.model_copy(update={"cutoff": self.material.cutoff})
        mace = models.random_mace(shop, [self.material.element], config)
        return mace, models.exported_mace(shop, mace)

    def _ase(self, mace: Path, atoms: int, seconds: float) -> float:
        of = self.material.crystal
        system = bulk(self.material.element, "fcc", a=of.lattice, cubic=True) * CELLS[atoms]
        system.rattle(0.1, seed=1)
        return len(system) * mace_speed(system, mace, of.kelvin, seconds, warmup=3)

    def table(self, record: Record) -> list[str]:
        """One row a potential; columns compare with the native one, with mace-torch in ASE, and with one core."""
        speeds = {(row["name"], row["ranks"], row["threads"]): row["speed"] for row in record["rows"]}
        name = self.material.native
        native, mace = speeds[name, 1, 1], speeds["mace-torch, ASE", 1, 1]
        lines = [f"| potential | ranks x threads | atoms | 1,000 atom-steps/s | lowest to highest | {name}, times "
                 "| of mace-torch in ASE | of one core |", "|---|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
        for row in record["rows"]:
            speed, parallel = row["speed"], row["ranks"] * row["threads"] > 1
            single = [f"{native / speed:.3g}", f"{speed / mace:.3g}", ""]
            compared = ["", "", f"{speed / speeds[row['name'], 1, 1]:.2f}"] if parallel else single
            lowest, highest = (f"{extreme(row['speeds']) / 1e3:.4g}" for extreme in (min, max))
            cells = [row["name"], f"{row['ranks']} x {row['threads']}", f"{row['atoms']:,}", f"{speed / 1e3:.4g}",
                     f"{lowest} to {highest}", *compared]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
        return [*lines, "", *_remarks(record)]

    def figure(self, record: Record) -> Figure:
        """Speeds as bars, logarithmic."""
        rows = {f"{row['name']}, {row['ranks']} x {row['threads']}": row["speed"] for row in record["rows"]}
        return bars(rows, "atom-steps/s")


def _remarks(record: Record) -> list[str]:
    errors = record["errors"]
    learned = (
        f"Errors of the learned potential on frames of another trajectory: forces {errors['forces_rmse']:.3g} meV/Å "
        f"root mean square ({errors['forces_mae']:.3g} mean absolute), energy {errors['energy_rmse']:.2g} meV/atom. "
        "mace-torch has random weights."
    )
    return [learned] if record["parallel"] else [f"{learned} Other work used the cores: one rank and thread only."]
