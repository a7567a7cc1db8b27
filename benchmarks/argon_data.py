"""Argon with its labels, and the default network trained on them: what speeds of argon stand beside."""

from pathlib import Path

from benchmarks.machine import lampion
from benchmarks.workshop import Workshop

INPUT = Path(__file__).parent.parent / "lammps_inputs" / "argon" / "reference.in"
#: The default network, with the cutoff of the other questions. What `data` leaves is not used.
TRAINING = """
model: {{cutoff: 6.0}}
data: {{train: 0.85, valid: 0.1}}
loss: {{energy: 3.0, stress: 2.0, forces: 1.0}}
optimizer: {{learning_rate: 0.01, schedule: cosine}}
epochs: {epochs}
batch_size: 1
seed: 1
threads: 1
"""


def labelled(shop: Workshop, part: str) -> Path:
    """Liquid argon at 90 K labelled by LAMMPS: `train`, 200 frames, or `test`, 40 of another trajectory."""
    variables = {"train": {"seed": 42, "frames": 200}, "test": {"seed": 7, "frames": 40}}[part]
    if shop.quick:
        variables |= {"frames": 8, "equilibrate": 1000}
    given = [word for name, value in variables.items() for word in ("--var", f"{name}={value}")]
    content = INPUT.read_text() + str(variables)
    folder = shop.kept(part, content, lambda path: lampion("generate", INPUT, "-o", path, *given, cwd=path.parent))
    return folder / "frames.h5"


def trained(shop: Workshop) -> Path:
    """Checkpoint of the default network."""
    config = TRAINING.format(epochs=1 if shop.quick else 16)
    frames = labelled(shop, "train")

    def make(path: Path) -> None:
        (path.parent / "config.yaml").write_text(config)
        lampion("train", "config.yaml", frames, "-o", path, cwd=path.parent)

    return shop.kept("argon", f"{config}{frames}", make) / "best.ckpt"
