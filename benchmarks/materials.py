"""The materials that are compared: their own potential in LAMMPS, labels made with it, a network trained on these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import models
from benchmarks.lmp import ARGON_CRYSTAL, Crystal
from benchmarks.machine import lampion
from benchmarks.workshop import Workshop
from lampion.pipeline.shipped import shipped_path

#: The default network with half the channels, and the cutoff of the other questions. What `data` leaves is not used.
TRAINING = """
model: {cutoff: 6.0, channels: 8}
data: {train: 0.85, valid: 0.1}
loss: {energy: 3.0, stress: 2.0, forces: 1.0}
optimizer: {learning_rate: 0.01, schedule: cosine}
epochs: 16
batch_size: 1
seed: 1
threads: 1
"""


@dataclass(frozen=True)
class Material:
    """One element and what is known of it.

    Attributes:
        name: of its inputs in lammps_inputs/.
        element: symbol.
        crystal: what is run.
        native: LAMMPS's own pair style. pair: its lines.
        training: content of the configuration by which the network learns it.
        scripts: by name, models other than networks, which are made without training.
        networks: by name, what is changed in it for networks beside DeePMD-kit, the unchanged one first.
        cutoff: of the network, and of mace-torch and DeePMD-kit beside it, Å.
        parts: variables of reference.in for `train`, and for `test`, another trajectory.
        quick: further variables for a trial of the suite.
        density: atoms per Å³ of the densest frames, about.
    """

    name: str
    element: str
    crystal: Crystal
    native: str
    pair: str
    training: str
    scripts: Mapping[str, Callable[[Workshop], Path]]
    networks: Mapping[str, tuple[str, ...]]
    cutoff: float
    parts: Mapping[str, Mapping[str, int]]
    quick: Mapping[str, int]
    density: float

    def labelled(self, shop: Workshop, part: str) -> Path:
        """Frames with labels by LAMMPS, `train` or `test`."""
        script = shipped_path(f"lammps_inputs/{self.name}/reference.in")
        variables = {**self.parts[part], **(self.quick if shop.quick else {})}
        given = [word for name, value in variables.items() for word in ("--var", f"{name}={value}")]
        content = script.read_text() + str(variables)
        folder = shop.kept(part, content, lambda path: lampion("generate", script, "-o", path, *given, cwd=path.parent))
        return folder / "frames.h5"

    def trained(self, shop: Workshop, changes: tuple[str, ...] = ()) -> Path:
        """Checkpoint of its network, or of a changed one."""
        frames = self.labelled(shop, "train")
        given = [f"--set={change}" for change in (*changes, *(["epochs=1"] if shop.quick else []))]

        def make(path: Path) -> None:
            (path.parent / "config.yaml").write_text(self.training)
            lampion("train", "config.yaml", frames, "-o", path, *given, cwd=path.parent)

        return shop.kept(self.name, "".join([self.training, str(frames), *changes]), make) / "best.ckpt"

    def learned(self, shop: Workshop, changes: tuple[str, ...] = ()) -> tuple[dict[str, Path], dict[str, float]]:
        """Its network in both forms, and the errors on frames of another trajectory."""
        checkpoint = self.trained(shop, changes)
        forms = {f"model.{suffix}": models.exported(shop, checkpoint, suffix) for suffix in ("pt", "pt2")}
        return forms, models.errors(shop, forms["model.pt"], self.labelled(shop, "test"))


ARGON = Material(
    name="argon",
    element="Ar",
    crystal=ARGON_CRYSTAL,
    native="lj/cut",
    pair=models.LJ_CUT,
    training=TRAINING,
    scripts={"lj as a model": models.lennard_jones},
    networks={"8 channels, two layers": (), "8 channels, one layer": ("model.layers=1",)},
    cutoff=6.0,
    parts={"train": {"seed": 42, "frames": 200}, "test": {"seed": 7, "frames": 40}},
    quick={"frames": 8, "equilibrate": 1000},
    density=0.025,
)
ALUMINIUM = Material(
    name="aluminium",
    element="Al",
    crystal=Crystal(lattice=3.99, mass=26.982, kelvin=300.0),
    native="eam",
    pair="pair_style eam\npair_coeff * * Al_jnp.eam",
    training=shipped_path("configs/aluminium.yaml").read_text(),
    scripts={},
    networks={"16 channels, two layers": (), "8 channels, two layers": ("model.channels=8",)},
    cutoff=6.0,
    parts={"train": {"seed": 42, "frames": 100}, "test": {"seed": 7, "frames": 25}},
    quick={"frames": 8, "every": 50},
    density=0.06,
)
