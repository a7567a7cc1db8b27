"""A model file as an ASE calculator: relaxations, phonons and anything else ASE does, on the potential `lmp` runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from lampion.deploy.modelfile import ModelFileError, load_model
from lampion.training.data.frames import Floats
from lampion.training.data.graphs import Graph
from lampion.training.data.neighbors import neighbor_edges
from lampion.training.evaluation.predictions import evaluate
from lampion.training.models.build import torch_dtype
from lampion.training.models.predict import predict


class LampionCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and, for periodic cells, stress (eV/Å³) of a model file.

    Elements are matched by name with the model's types; those of a model of one molecule (C1, C2, O3, ...: sGDML) with
    the atoms in their order. A model that predicts forces without an energy gives forces alone.

    Args:
        path: model file.
        threads: of torch; one is best for molecules.

    Raises:
        ModelFileError: no model file, or a model in reduced units; at the first call: an element it does not know.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 - as ASE declares it

    def __init__(self, path: Path | str, *, threads: int = 1) -> None:
        super().__init__()
        module, self.manifest = load_model(path)
        if self.manifest.units != "metal":
            raise ModelFileError(f"{path}: the model is in reduced units (lj); ASE works in eV and Å")
        self.path, self._module = Path(path), module
        self._numbers = {name: index for index, name in enumerate(self.manifest.type_names)}
        torch.set_num_threads(threads)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] = ["energy"],  # noqa: B006 - signature of ASE
        system_changes: list[str] = all_changes,
    ) -> None:
        """Fill `results`; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        frame = self.atoms
        assert frame is not None  # ASE has just set it
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]  # no compilation for every shape
            energy, forces, virial = (value.numpy(force=True) for value in predict(self._module, self._graph(frame)))
        self.results = {"forces": forces.astype(float)}
        if self.manifest.conservative:
            self.results |= {"energy": float(energy[0]), "free_energy": float(energy[0])}
            if frame.cell.rank == 3:
                stress = -0.5 * (virial[0] + virial[0].T) / frame.get_volume()
                self.results["stress"] = full_3x3_to_voigt_6_stress(stress.astype(float))

    def forces_of(self, frames: Sequence[Atoms]) -> list[Floats]:
        """(n_atoms, 3) forces of each frame, eV/Å: of many small ones at once, much faster than one by one.

        Raises:
            ModelFileError: an element the model does not know.
        """
        if not frames:
            return []
        forces = evaluate(self._module, (self._graph(atoms) for atoms in frames)).forces_predicted
        return np.split(forces, np.cumsum([len(atoms) for atoms in frames])[:-1])

    def _graph(self, atoms: Atoms) -> Graph:
        types = self._types(atoms)
        index, vectors = neighbor_edges(atoms.positions, np.array(atoms.cell), atoms.pbc, self.manifest.cutoff)
        n_atoms, dtype = len(atoms), torch_dtype(self.manifest.dtype)
        labels: dict[str, Any] = {
            "energy": torch.zeros(1, dtype=torch.float64),
            "forces": torch.zeros(n_atoms, 3, dtype=dtype),
            "stress": torch.zeros(1, 3, 3, dtype=dtype),
        }
        return Graph(
            types=torch.tensor(types),
            edge_index=torch.from_numpy(index),
            edge_vectors=torch.from_numpy(vectors).to(dtype),
            opposite=torch.zeros(index.shape[1], dtype=torch.int64),  # only training needs it
            frame_of_node=torch.zeros(n_atoms, dtype=torch.int64),
            n_atoms=torch.tensor([n_atoms], dtype=dtype),
            volume=torch.ones(1, dtype=dtype),
            **labels,
        )

    def _types(self, atoms: Atoms) -> list[int]:
        if self.manifest.names_atoms(list(atoms.symbols)):
            return list(range(len(atoms)))
        unknown = sorted(set(atoms.symbols) - self._numbers.keys())
        if unknown:
            raise ModelFileError(f"{self.path}: knows {', '.join(self._numbers)}, not {', '.join(unknown)}")
        return [self._numbers[symbol] for symbol in atoms.symbols]
