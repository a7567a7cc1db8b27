"""Labels of a reference for frames of one molecule: by a model file, or by a LAMMPS input that reruns a dump."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms

from lampion.deploy.calculator import LampionCalculator
from lampion.deploy.modelfile import Manifest
from lampion.pipeline import starts, work
from lampion.training.errors import DataError
from lampion.training.frames import Frames, Source, offsets_of, type_indices
from lampion.training.lammps_labels import read_lammps

#: what the input gets: the molecule as a data file, the frames as a dump; and what it leaves
DATA, DUMP, LABELS = "molecule.data", "frames.lammpstrj", "labels.dump"
_MARGIN = 20.0  # Å between a molecule and the faces of the box


def relabel(molecules: Sequence[Atoms], reference: Path, folder: Path) -> Frames:
    """Energies and forces of the reference; no finite numbers where it has none.

    Args:
        molecules: of the same atoms in the same order, without a cell.
        reference: model file (`.pt`), or LAMMPS input; see `lammps_inputs/argon/relabel.in` for what it has to do.
        folder: where `lmp` works.

    Raises:
        DataError: what `lmp` leaves are no labels of these frames.
        RunFailedError: `lmp` did not end as it should.
    """
    if reference.suffix == ".pt":
        return _by_model(molecules, reference)
    return _by_lammps(molecules, reference, folder)


def _by_model(molecules: Sequence[Atoms], model: Path) -> Frames:
    calculator = LampionCalculator(model)
    labels = []
    for molecule in molecules:
        atoms = Atoms(molecule.numbers, molecule.positions, calculator=calculator)
        labels.append((atoms.get_potential_energy(), atoms.get_forces()))
    energies, forces = zip(*labels, strict=True)
    return _labelled(molecules, np.array(energies), np.concatenate(forces), model)


def _by_lammps(molecules: Sequence[Atoms], script: Path, folder: Path) -> Frames:
    folder.mkdir(parents=True, exist_ok=True)
    centred = [Atoms(atoms.numbers, atoms.positions - atoms.positions.mean(axis=0)) for atoms in molecules]
    elements = sorted(set(molecules[0].symbols))
    starts.write_start(centred[:1], folder / DATA, Manifest(_MARGIN, tuple(elements), 1, "float64"))
    _write_dump(centred, elements, folder / DUMP)
    variables = {"data": str(folder / DATA), "frames": str(folder / DUMP), "elements": " ".join(elements)}
    work.simulate(script, folder / "run", variables, force=True)
    labelled = read_lammps(folder / "run" / LABELS, folder / "run" / "log.lammps")
    if len(labelled) != len(molecules):
        raise DataError(f"{script}: labels {len(labelled)} frames of {len(molecules)}; it has to rerun all")
    found = _labelled(molecules, labelled.energy, labelled.forces, script)
    if not np.allclose(_shape(found), _shape(labelled), atol=1e-5):
        raise DataError(f"{script}: {LABELS} holds other positions than {DUMP}; dump sorted by id, after `rerun`")
    return found


def _write_dump(molecules: Sequence[Atoms], elements: Sequence[str], path: Path) -> None:
    """Frames in one fixed box."""
    half = max(float(np.abs(atoms.positions).max()) for atoms in molecules) + _MARGIN
    box = f"{-half:.10g} {half:.10g}\n" * 3
    with path.open("w") as stream:
        for step, atoms in enumerate(molecules):
            stream.write(
                f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(atoms)}\nITEM: BOX BOUNDS pp pp pp\n{box}"
            )
            stream.write("ITEM: ATOMS id type x y z\n")
            for number, (symbol, (x, y, z)) in enumerate(zip(atoms.symbols, atoms.positions, strict=True), 1):
                stream.write(f"{number} {elements.index(symbol) + 1} {x:.17g} {y:.17g} {z:.17g}\n")


def _shape(frames: Frames) -> np.ndarray:
    """Positions from the first atom of every frame: two boxes may have other origins."""
    first = np.repeat(frames.positions[frames.offsets[:-1]], frames.n_atoms, axis=0)
    return np.asarray(frames.positions - first)


def bare_frames(molecules: Sequence[Atoms], type_names: Sequence[str]) -> Frames:
    """Frames without a cell whose labels are all zero."""
    n, n_atoms = len(molecules), [len(atoms) for atoms in molecules]
    return Frames(
        type_names=tuple(type_names),
        offsets=offsets_of(n_atoms),
        types=np.concatenate([type_indices(atoms.symbols, type_names) for atoms in molecules]),
        positions=np.concatenate([atoms.positions for atoms in molecules]),
        cell=np.zeros((n, 3, 3)),
        pbc=np.zeros((n, 3), dtype=bool),
        energy=np.zeros(n),
        forces=np.zeros((sum(n_atoms), 3)),
        step=np.arange(n),
    )


def _labelled(molecules: Sequence[Atoms], energy: np.ndarray, forces: np.ndarray, source: Path) -> Frames:
    bare = bare_frames(molecules, sorted(set(molecules[0].symbols)))
    return replace(bare, energy=energy, forces=forces, sources=(Source.of(source),))
