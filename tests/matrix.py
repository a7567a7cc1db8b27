"""One LAMMPS situation, run with a native pair style and with the same potential as a model, must give one answer.

A situation is LAMMPS input with these words replaced, one process running it once per potential and side:

    STYLE       lj/smooth 5.5 6.8, or eam/alloy, or sw; or lampion
    COEFF A B   pair_coeff lines for LAMMPS types of these names: A and B are the potential's, NULL is another style's
    PAIR        all lines of the situation's `pair`
    OUTPUT      computes, thermo columns and a dump into a new file, all in full precision
    PART        a name of this side, for files
    a n d ...   `${a}` lattice constant, `${n}` cells, `${d}` 0.15 Å, `${skin}`, `${dt}` 2 fs, `${t}` temperature,
                `${m1}` `${m2}` masses, `${L}` one Å, in the units of the run
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stock_lmp import UNITS, command, environment, launch
from twins import TWINS, Twin

Array = NDArray[np.float64]

STATIC, MOVED = 1e-9, 1e-7  # relative, in float64: before the first step, and along 200 steps

CRYSTAL = """
region box block 0 ${n} 0 ${n} 0 ${n}
create_box 2 box
create_atoms 1 box
set group all type/ratio 2 0.4 11
displace_atoms all random ${d} ${d} ${d} 5 units box
"""

OUTPUT = """
compute e all pe/atom
compute s all stress/atom NULL pair
thermo_style custom step atoms pe ke vol press pxx pyy pzz pxy pxz pyz
thermo_modify norm no lost ignore format float %.17g
thermo 50
dump 1 all custom 100 PART.{k}.dump id type x y z fx fy fz c_e c_s[*]
dump_modify 1 sort id first yes format float %.17g
"""

# the units of mass and time in grams and seconds, where mass is not g/mol
GRAM_PER_MOL = 1.66053906660e-24
MASS = {"si": 1e3, "cgs": 1.0, "micro": 1e-12, "nano": 1e-18}
TIME = {"metal": 1e-12, "real": 1e-15, "si": 1.0, "cgs": 1.0, "electron": 1e-15, "micro": 1e-6, "nano": 1e-9}


@dataclass(frozen=True)
class Situation:
    """A row of the matrix.

    Args:
        then: what is run, after `pair` has been given.
        ranks: MPI ranks.
        atoms: what fills the box.
        pair: how the potential is given.
        before: lines ahead of the box: boundary, atom_style, processors, ...
        units: of the run.
        potentials: those that make sense here.
        static, moved: relative tolerance at the first step of each run, and later.
    """

    then: str = "run 0"
    ranks: int = 1
    atoms: str = CRYSTAL
    pair: str = "pair_style STYLE\nCOEFF A B"
    before: str = ""
    units: str = "metal"
    potentials: tuple[str, ...] = tuple(TWINS)
    static: float = STATIC
    moved: float = MOVED

    def script(self) -> str:
        """All sides of all potentials, one after the other."""
        return "\n".join(self.part(TWINS[name], side) for name in self.potentials for side in self.sides(TWINS[name]))

    def sides(self, twin: Twin) -> list[str]:
        """On several ranks a layered model is also run as one that can only be evaluated as a whole."""
        return ["native", "model"] + (["whole"] if self.ranks > 1 and twin.n_layers > 1 else [])

    def part(self, twin: Twin, side: str) -> str:
        pair = self.expand(self.pair, twin, side)
        text = "\n".join(
            [
                "clear",
                f"log {twin.name}-{side}.log",
                *self.variables(twin),
                f"units {self.units}",
                self.before,
                "lattice ${lattice} ${a}",
                self.atoms,
                "mass 1 ${m1}",
                "mass 2 ${m2}",
                "PAIR",
                "neighbor ${skin} bin",
                "timestep ${dt}",
                "OUTPUT",
                self.then,
            ]
        )
        text = text.replace("PAIR", pair)
        for k in range(text.count("OUTPUT")):
            text = text.replace("OUTPUT", OUTPUT.format(k=k), 1)
        return text.replace("PART", f"{twin.name}-{side}")

    def expand(self, pair: str, twin: Twin, side: str) -> str:
        lines = []
        for line in pair.splitlines():
            if line.startswith("COEFF"):
                lines += self.coeff(twin, side, line.split()[1:], hybrid="hybrid" in pair)
            else:
                lines.append(line.replace("STYLE", twin.native_style(self.units) if side == "native" else "lampion"))
        return "\n".join([*lines, "pair_modify shift yes"])

    def coeff(self, twin: Twin, side: str, words: list[str], hybrid: bool) -> list[str]:
        types = [{"A": twin.names[0], "B": twin.names[1]}.get(word, word) for word in words]
        if side == "native":
            return twin.native_coeff(types, self.units, hybrid)
        suffix = "-whole" if side == "whole" else "-reduced" if self.units == "lj" else ""
        return [" ".join(["pair_coeff * *", *(["lampion"] * hybrid), f"{twin.name}{suffix}.pt", *types])]

    def variables(self, twin: Twin) -> list[str]:
        length, energy = UNITS[self.units]
        lattice, a, n = twin.crystal
        values: dict[str, float] = {"d": 0.15 / length, "skin": 1.0 / length, "L": 1.0 / length, "t": twin.temperature}
        values |= {"dt": 2e-15 / TIME.get(self.units, 1.0), "a": a / length}
        unit = MASS.get(self.units, GRAM_PER_MOL) / GRAM_PER_MOL
        values |= {"m1": twin.masses[0] / unit, "m2": twin.masses[1] / unit}
        if self.units == "lj":
            boltzmann = 8.617333e-5
            values |= {"t": twin.temperature * boltzmann / energy, "dt": 1e-3, "m1": 1.0, "m2": 0.5}
            values["a"] = 4 / values["a"] ** 3  # `lattice` takes the reduced density here
        return [f"variable {key} string {value:.17g}" for key, value in values.items()] + [
            f"variable n string {n}",
            f"variable lattice string {lattice}",
        ]


def read_log(path: Path) -> tuple[list[str], list[Array]]:
    """Columns, and the rows of each thermo table, of a log file."""
    names, tables, rows = [], [], None
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:1] == ["Step"]:
            names, rows = words, []
        elif words[:2] == ["Loop", "time"] and rows is not None:
            tables.append(np.array(rows))
            rows = None
        elif rows is not None and len(words) == len(names) and words[0].isdigit():
            rows.append([float(word) for word in words])
    return names, tables


def read_dump(path: Path) -> tuple[list[str], list[Array]]:
    """Columns, and a table for each frame, of a text dump."""
    names, frames = [], []
    for frame in path.read_text().split("ITEM: TIMESTEP\n")[1:]:
        head, _, body = frame.partition("ITEM: ATOMS ")
        line, _, rows = body.partition("\n")
        names = line.split()
        count = int(head.split("ITEM: NUMBER OF ATOMS\n")[1].split()[0])
        frames.append(np.array(rows.split(), dtype=float).reshape(count, len(names)))
    return names, frames


def read_summed(path: Path) -> tuple[list[str], list[Array]]:
    """The same with, for each atom, the sum of all atoms' stresses.

    A third of a triplet's virial goes to each of its atoms in `pair_style sw`, half of an edge's to either end in
    `pair_style lampion`, and LAMMPS has no centroid stress for `sw`: the sums are what both define alike.
    """
    names, frames = read_dump(path)
    stresses = [names.index(name) for name in STRESSES]
    for frame in frames:
        frame[:, stresses] = frame[:, stresses].sum(0)
    return names, frames


THERMO = (("Step", "Atoms"), ("PotEng",), ("KinEng",), ("Volume",), ("Press", "Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"))
FORCES = ("fx", "fy", "fz")
ATOMS = (("id", "type"), ("x", "y", "z"), FORCES, ("c_e",))
STRESSES = tuple(f"c_s[{k}]" for k in range(1, 7))


def largest_difference(
    got: Array, expected: Array, names: list[str], groups: tuple[tuple[str, ...], ...], angstrom: float
) -> float:
    """Largest difference relative to the largest value among the columns of a group.

    Forces that cancel are compared with a thousandth of an atom's energy per Å.
    """
    assert got.shape == expected.shape
    worst = 0.0
    for group in groups:
        columns = [names.index(name) for name in group]
        scale = np.abs(expected[:, columns]).max(initial=0.0)
        if group == FORCES:
            scale = max(scale, 1e-3 * np.abs(expected[:, names.index("c_e")]).max(initial=0.0) / angstrom)
        scale = scale or 1.0
        worst = max(worst, np.abs(got[:, columns] - expected[:, columns]).max(initial=0.0) / scale)
    return worst


def differences(folder: Path, twin: str, side: str, units: str = "metal") -> tuple[float, float]:
    """Of a side from the native style: at the first step of each run and in each dump's first frame; anywhere."""
    read = read_summed if twin == "sw" else read_dump
    pairs = [(read_log(folder / f"{twin}-{side}.log"), read_log(folder / f"{twin}-native.log"), THERMO)]
    native_dumps = sorted(folder.glob(f"{twin}-native.*.dump"))
    groups = (*ATOMS, STRESSES)
    pairs += [(read(path.with_name(path.name.replace("native", side))), read(path), groups) for path in native_dumps]
    static, moved, angstrom = 0.0, 0.0, 1.0 / UNITS[units][0]
    for (names, got), (expected_names, expected), columns in pairs:
        assert names == expected_names
        assert len(got) == len(expected) > 0
        first = slice(0, 1) if columns is THERMO else slice(None)
        static = max(static, largest_difference(got[0][first], expected[0][first], names, columns, angstrom))
        moved = max(
            moved, *(largest_difference(a, b, names, columns, angstrom) for a, b in zip(got, expected, strict=True))
        )
    return static, moved


class Matrix:
    """A table of situations; all those of one number of ranks run in one process, each in its own folder.

    Args:
        table: the situations by name.
        folder: where to run.
        models: folder of the twins' model files.
    """

    def __init__(self, table: dict[str, Situation], folder: Path, models: Path) -> None:
        self.table, self.folder, self.models = table, folder, models
        self.outputs: dict[str, str] = {}

    def check(self, name: str) -> None:
        """Every side of every potential is the native style; else what `lmp` printed last."""
        situation = self.table[name]
        if name not in self.outputs:
            self.run([other for other in self.table if self.table[other].ranks == situation.ranks])
        for twin in situation.potentials:
            for side in situation.sides(TWINS[twin])[1:]:
                assert (self.folder / name / "done").exists(), self.outputs[name][-3000:]
                static, moved = differences(self.folder / name, twin, side, situation.units)
                assert static <= situation.static, f"{twin}, {side}: {static:.1e} before the first step"
                assert moved <= situation.moved, f"{twin}, {side}: {moved:.1e} along the run"

    def run(self, names: list[str]) -> None:
        """One process, and another one for those behind a situation that stopped it."""
        for name in names:
            (self.folder / name).mkdir(exist_ok=True)
            for model in self.models.glob("*.pt"):
                (self.folder / name / model.name).symlink_to(model)
        while names:
            parts = [
                f"clear\nshell cd {self.folder / name}\n{self.table[name].script()}\nshell touch done" for name in names
            ]
            (self.folder / "in.lmp").write_text("\n".join(parts))
            output = launch(command(self.table[names[0]].ranks), self.folder, environment(), timeout=300).output
            ended = 1 + sum((self.folder / name / "done").exists() for name in names)
            self.outputs |= dict.fromkeys(names[:ended], output)
            names = names[ended:]
