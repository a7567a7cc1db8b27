"""What a stability run starts from: frames drawn from a data set, relaxed if molecules, set in motion, written."""

from typing import Any

import numpy as np
from ase import Atoms

from lampion.analysis.stability import PRESETS
from lampion.deploy.modelfile import read_manifest
from lampion.pipeline.progress import task
from lampion.pipeline.stability import layout, periodic
from lampion.pipeline.stability.config import StabilityConfig
from lampion.pipeline.stability.folder import Folder
from lampion.pipeline.stability.molecules import read_systems, without_cells
from lampion.pipeline.stability.relaxation import relax
from lampion.training.errors import ConfigError, DataError

#: fs between frames of the positions, where a definition needs them
SAMPLED_EVERY = 100.0


def prepare(config: StabilityConfig, folder: Folder) -> dict[str, Any]:
    """Write the files that `lmp` starts from; returns what a run of them has to know.

    Raises:
        ConfigError: a criterion about molecules for periodic boxes.
        DataError: frames that cannot be read or run, or none that relaxes.
    """
    rng = np.random.default_rng(config.seed)
    systems = read_systems(config.starts)
    boxes = config.periodic if config.periodic is not None else any(atoms.pbc.any() for atoms in systems)
    chosen = rng.choice(len(systems), min(config.replicas, len(systems)), replace=False)
    drawn = [systems[k] for k in chosen]
    if boxes:
        return _boxes(config, folder, drawn, rng)
    return _molecules(config, folder, without_cells(drawn), rng)


def _molecules(config: StabilityConfig, folder: Folder, drawn: list[Atoms], rng: np.random.Generator) -> dict[str, Any]:
    """All in one data file."""
    with task("relaxing") as shown:
        found = relax(
            drawn,
            config.model,
            fmax=config.relax_fmax,
            steps=config.relax_steps,
            progress=lambda done, total: shown.update(done, total, "starts"),
        )
    if not found.molecules:
        raise DataError(
            f"{config.starts}: none of {len(drawn)} starts relaxed below {config.relax_fmax} eV/Å in "
            f"{config.relax_steps} steps; the model has no minimum near them"
        )
    layout.set_in_motion(found.molecules, config.kelvin, rng)
    folder.path.mkdir(parents=True, exist_ok=True)
    types = layout.write_start(found.molecules, folder.start, read_manifest(config.model))
    sample = round(SAMPLED_EVERY / config.femtoseconds) if PRESETS[config.criterion].needs_positions else 0
    return {"types": types, "dropped": found.dropped, "drawn": len(drawn), "sample": sample}


def _boxes(config: StabilityConfig, folder: Folder, drawn: list[Atoms], rng: np.random.Generator) -> dict[str, Any]:
    """A data file for each, as they are: frames of a liquid are no minima, and relaxed they would be another one."""
    if PRESETS[config.criterion].needs_positions:
        raise ConfigError(f"criterion: {config.criterion} is about molecules, {config.starts} holds periodic boxes")
    periodic.require_boxes(drawn, config.starts)
    types = periodic.type_names(drawn[0], read_manifest(config.model))
    layout.set_in_motion(drawn, config.kelvin, rng)
    endless = False
    for number, atoms in enumerate(drawn, 1):
        folder.replica(number).path.mkdir(parents=True, exist_ok=True)
        endless = periodic.write_box(atoms, folder.replica(number).start) or endless
    watch = periodic.watch(len(drawn[0]), ensemble=config.ensemble, endless=endless)
    return {"types": types, "dropped": 0, "drawn": len(drawn), "boxes": len(drawn), "endless": endless, "watch": watch}
