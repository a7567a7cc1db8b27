"""Data of a study of many models: frames that all learn from, and starts that all are tested on."""

from pathlib import Path

import numpy as np

from lampion.pipeline.grid.config import Grid
from lampion.pipeline.study.stages import Stage
from lampion.training.data.hdf5 import read_hdf5, write_hdf5
from lampion.training.errors import ConfigError
from lampion.training.preparation.convert import convert
from lampion.training.preparation.split import Sizes


class GridData:
    """Frames and starts of one study.

    Args:
        grid: the models.
        source: labelled frames of the molecule, as the user has them.
        folder: where `frames.h5` and `starts.h5` are written.
    """

    def __init__(self, grid: Grid, source: Path, folder: Path) -> None:
        self.grid, self.source = grid, source
        self.frames, self.starts = folder / "frames.h5", folder / "starts.h5"

    def stage(self) -> Stage:
        """Packs the frames and draws the starts, once for all models.

        Its work raises:
            ConfigError: fewer frames than the largest training needs.
            DataError: frames that cannot be read or trained on.
        """
        return Stage("data", self._pack, (self.source,), (self.frames, self.starts), {"starts": self._draw()})

    def _draw(self) -> dict[str, int]:
        """How many starts, and the seed they are drawn with."""
        config = self.grid.stability_config(Path(self.grid.file_name), self.starts)
        return {"replicas": config.replicas, "seed": config.seed}

    def _pack(self) -> None:
        convert(self.source, self.frames)
        frames = read_hdf5(self.frames)
        for model in self.grid.models:
            data = self.grid.train_config(model, self.frames).data
            Sizes(data.train, data.valid, data.test).counts(len(frames), f"{self.source}: model {model.name}")
        drawn = self._draw()
        rng = np.random.default_rng(drawn["seed"])
        rows = np.sort(rng.choice(len(frames), min(drawn["replicas"], len(frames)), replace=False))
        write_hdf5(frames.select(rows), self.starts)


def require_data(grid: Grid, data: Path | None) -> Path:
    """The data file.

    Raises:
        ConfigError: none is given, or it is not there.
    """
    if data is None:
        raise ConfigError(
            f"this study needs data, which Lampion does not download: {grid.config.data_hint}; give the file with "
            "--data: npz, extended XYZ or frames of `lampion data convert`, which also chooses between labels"
        )
    if not data.is_file():
        raise ConfigError(f"{data}: no such file")
    return data
