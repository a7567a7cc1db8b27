"""ASE's Atoms with labels -> frames in Å, eV, eV/Å: what extended XYZ and ASE data bases have in common."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import ase.units
import numpy as np
from ase import Atoms

from lampion.training.data.frames import Floats, Frames, Source, check_finite, offsets_of, type_indices
from lampion.training.errors import DataError
from lampion.training.labels.names import LabelKeys, choose_keys, energy_of, labels_in, number, tensor
from lampion.training.labels.read_options import ReadOptions

#: ASE's unit of time, Å √(amu/eV), in ps: turns velocities in Å/ps into ASE's.
ASE_TIME = 1e-3 / ase.units.fs
ISOLATED = ("isolatedatom", "isolated_atom")


class LabelReader:
    """Reads one file: the label set is chosen at its first frame and demanded of every other.

    Frames of one atom marked `config_type=IsolatedAtom`, or alone without periodic boundaries, give the energy of the
    isolated atom and are no frames to train on.

    Args:
        options: keys and units.
        source: the file, recorded with the frames.
        origin: its name, for messages.
    """

    def __init__(self, options: ReadOptions, source: Source, origin: str) -> None:
        self.options, self.source, self.origin = options, source, origin
        self.keys: LabelKeys | None = None
        self.has_velocities = False
        self.isolated: dict[str, float] = {}
        self.seen = 0

    def parts(self, images: Iterable[Atoms], size: int = 1000) -> Iterator[Frames]:
        """Pieces of at most `size` frames.

        Raises:
            DataError: labels missing, ambiguous or not finite, with the number of the frame; no frames at all.
        """
        stream = iter(images)
        pending: Frames | None = None  # held back by one: an isolated atom may be the last frame of the file
        while batch := list(islice(stream, size)):
            labelled = [found for atoms in batch if (found := self._look(atoms)) is not None]
            if labelled:
                if pending is not None:
                    yield pending
                numbers = [frame for _, frame in labelled]
                pending = self._frames([atoms for atoms, _ in labelled], numbers)
                check_finite(pending, self.origin, numbers)
        if pending is None:
            raise DataError(f"{self.origin}: holds {'isolated atoms only' if self.isolated else 'no frames'}")
        yield replace(pending, isolated=dict(self.isolated))

    def _look(self, atoms: Atoms) -> tuple[Atoms, int] | None:
        """The frame with its number, or none if it was an isolated atom."""
        frame, self.seen = self.seen, self.seen + 1
        if not is_isolated(atoms):
            return atoms, frame
        name, where = atoms.get_chemical_symbols()[0], f"{self.origin}: frame {frame}"
        energy = energy_of(labels_in(atoms), self.options, where) * self.options.factors.energy
        if abs(self.isolated.setdefault(name, energy) - energy) > 1e-6:
            raise DataError(f"{where}: a second isolated {name} with another energy ({energy:.6f} eV); keep one")
        return None

    def _frames(self, images: list[Atoms], numbers: list[int]) -> Frames:
        where = [f"{self.origin}: frame {frame}" for frame in numbers]
        found = [labels_in(atoms) for atoms in images]
        if self.keys is None:
            self.keys = choose_keys(found[0], self.options, where[0])
            self.has_velocities = images[0].has("momenta")
        units, names = self.options.factors, sorted({s for atoms in images for s in atoms.get_chemical_symbols()})
        energy = [
            number(self._label(f, self.keys.energy, w), f"{w}: {self.keys.energy}")
            for f, w in zip(found, where, strict=True)
        ]
        return Frames(
            type_names=tuple(names),
            offsets=offsets_of([len(atoms) for atoms in images]),
            types=np.concatenate([type_indices(atoms.get_chemical_symbols(), names) for atoms in images]),
            positions=np.concatenate([atoms.positions for atoms in images]) * units.length,
            cell=np.stack([_cell(atoms, w) for atoms, w in zip(images, where, strict=True)]) * units.length,
            pbc=np.stack([atoms.pbc for atoms in images]),
            energy=np.array(energy) * units.energy,
            forces=np.concatenate([self._forces(*three) for three in zip(images, found, where, strict=True)])
            * units.force,
            step=np.array([_step(f, frame) for f, frame in zip(found, numbers, strict=True)], dtype=np.int64),
            stress=self._stress(images, found, where),
            velocities=self._velocities(images, where),
            sources=(self.source,),
        )

    def _label(self, found: dict[str, Any], key: str, where: str) -> Any:
        if key not in found:
            raise DataError(
                f"{where}: {key} missing (found: {', '.join(sorted(found)) or 'nothing'}); every frame needs the "
                "labels of the first, and a missing one is not zero: remove the frame or name other keys"
            )
        return found[key]

    def _forces(self, atoms: Atoms, found: dict[str, Any], where: str) -> Floats:
        assert self.keys is not None
        forces = np.asarray(self._label(found, self.keys.forces, where))
        if forces.shape != (len(atoms), 3) or not np.issubdtype(forces.dtype, np.number):
            raise DataError(f"{where}: {self.keys.forces} has shape {forces.shape}, expected ({len(atoms)}, 3) numbers")
        return forces.astype(np.float64)

    def _stress(self, images: list[Atoms], found: list[dict[str, Any]], where: list[str]) -> Floats | None:
        assert self.keys is not None
        key = self.keys.stress or self.keys.virial
        if key is None:
            return None
        values = np.stack([tensor(self._label(f, key, w), key, w) for f, w in zip(found, where, strict=True)])
        if self.keys.stress:
            return values * self.options.factors.stress
        volumes = np.array([abs(np.linalg.det(atoms.cell)) for atoms in images]) * self.options.factors.length**3
        if not volumes.all():
            raise DataError(f"{where[int(volumes.argmin())]}: has a virial but no cell to divide it by")
        return -values * self.options.factors.energy / volumes[:, None, None]

    def _velocities(self, images: list[Atoms], where: list[str]) -> Floats | None:
        if not self.has_velocities:
            return None
        without = [w for atoms, w in zip(images, where, strict=True) if not atoms.has("momenta")]
        if without:
            raise DataError(f"{without[0]}: has no velocities, the frames before have; keep one kind")
        return np.concatenate([a.get_velocities() for a in images]) / ASE_TIME * self.options.factors.length


def is_isolated(atoms: Atoms) -> bool:
    """Whether a frame is an isolated atom."""
    marked = str(atoms.info.get("config_type", "")).lower() in ISOLATED
    return len(atoms) == 1 and (marked or not atoms.pbc.any())


def _cell(atoms: Atoms, where: str) -> Floats:
    if atoms.pbc.all() and not atoms.cell.volume:
        raise DataError(f"{where}: is periodic but has no cell; write Lattice=..., or pbc='F F F' for a molecule")
    return np.asarray(atoms.cell)


def _step(found: dict[str, Any], frame: int) -> int:
    step = found.get("step", frame)
    return int(step) if isinstance(step, int | np.integer) else frame
