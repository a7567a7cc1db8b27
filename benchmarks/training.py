"""Training speed of the default potential beside mace-torch: same frames, same batch, one thread, one run.

    lampion data split ethanol.npz -o frames --train 950 --valid 50 --seed 1
    python benchmarks/training.py frames -o training.jsonl          # about ten minutes, most of it compilation

`mace-torch` is its own model, batches and `take_step`, warmed up until TorchScript has specialised the code;
`eager` and `compiled` are the two forms of Lampion's step, optimizer included. Frames per second of each, in turns.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from lampion.training.build import build_model
from lampion.training.compiled import CompiledGradients
from lampion.training.config import OptimizerConfig
from lampion.training.data import read_frames
from lampion.training.frames import Frames
from lampion.training.gradients import Gradients, eager_gradients
from lampion.training.graphs import GraphSet, build_graphs, join
from lampion.training.loss import Weights
from lampion.training.mace_model import scale_shift_mace
from lampion.training.model_config import MaceConfig, ModelConfig
from lampion.training.optim import make_optimizer
from lampion.training.statistics import DataStatistics

Step = Callable[[int], None]


def lampion_steps(graphs: GraphSet, statistics: DataStatistics, config: ModelConfig, batch: int) -> dict[str, Step]:
    """One optimizer step, eager and compiled, of a potential of Lampion's own."""
    model = build_model(config, statistics)
    optimizer = make_optimizer(OptimizerConfig(amsgrad=True), model)

    def step(gradients: Gradients, index: int) -> None:
        gradients(join([graphs[(index * batch + k) % len(graphs)] for k in range(batch)]), Weights(1.0, 1.0, 0.0))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()

    scale = statistics.force_scale
    eager = partial(eager_gradients, model, scale=scale)
    return {"eager": partial(step, eager), "compiled": partial(step, CompiledGradients(model, scale))}


def mace_step(frames: Frames, statistics: DataStatistics, config: MaceConfig, batch: int) -> Step:
    """One optimizer step of mace-torch, as `mace_run_train` takes it."""
    model = scale_shift_mace(config, statistics)
    from mace import data, modules, tools
    from mace.tools import torch_geometric
    from mace.tools.train import take_step

    numbers = model.atomic_numbers.numpy()
    configs = [
        data.Configuration(
            atomic_numbers=numbers[frames.types[rows]],
            positions=frames.positions[rows],
            properties={"energy": frames.energy[f], "forces": frames.forces[rows]},
            property_weights={"energy": 1.0, "forces": 1.0},
        )
        for f in range(len(frames))
        for rows in [frames.atoms_of(f)]
    ]
    table = tools.AtomicNumberTable(numbers.tolist())
    atoms = [data.AtomicData.from_config(entry, z_table=table, cutoff=config.cutoff) for entry in configs]
    batches = list(torch_geometric.dataloader.DataLoader(atoms, batch_size=batch, drop_last=True))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    loss = modules.WeightedEnergyForcesLoss(energy_weight=1.0, forces_weight=100.0)
    wanted = {"forces": True, "virials": False, "stress": False}
    device = torch.device("cpu")

    def step(index: int) -> None:
        take_step(model, loss, batches[index % len(batches)], optimizer, None, wanted, 10.0, device)

    return step


def frames_per_second(step: Step, batch: int, seconds: float) -> float:
    """Speed over at least so many seconds of processor time, which other work on the machine does not enter."""
    start, index = time.process_time(), 0
    while time.process_time() - start < seconds:
        step(index)
        index += 1
    return index * batch / (time.process_time() - start)


def main() -> None:
    """Measure all steps in turns and print their best and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=Path, help="labelled frames, or a folder of `lampion data split`")
    parser.add_argument("-o", "--out", type=Path, help="file to append the results to, JSON lines")
    parser.add_argument("--preset", default="medium")
    parser.add_argument("--cutoff", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="per measurement")
    parser.add_argument("--warmup", type=int, default=60, help="steps before, for TorchScript to specialise")
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.frames / "train.h5" if options.frames.is_dir() else options.frames
    frames = read_frames(path).select(range(200))
    graphs = build_graphs(frames, options.cutoff, torch.float32)
    statistics = DataStatistics.of(frames, graphs)
    own = ModelConfig(preset=options.preset, cutoff=options.cutoff)
    steps = {"mace-torch": mace_step(frames, statistics, MaceConfig(cutoff=options.cutoff), options.batch)}
    steps |= lampion_steps(graphs, statistics, own, options.batch)
    for step in steps.values():
        for index in range(options.warmup):
            step(index)
    rounds = [{name: frames_per_second(step, options.batch, options.seconds) for name, step in steps.items()}
              for _ in range(3)]  # fmt: skip
    best = {name: max(found[name] for found in rounds) for name in steps}
    for name, speed in best.items():
        print(f"{name:12s} {speed:8.1f} frames/s   {speed / best['mace-torch']:6.2f} x mace-torch")
    if options.out:
        with options.out.open("a") as stream:
            stream.write(json.dumps({"preset": options.preset, "batch": options.batch, **best}) + "\n")


if __name__ == "__main__":
    main()
