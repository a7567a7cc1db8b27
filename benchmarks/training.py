"""How many frames per second does a training step take, beside mace-torch's own?"""

import time
from collections.abc import Callable
from functools import partial

import torch
from matplotlib.figure import Figure

from benchmarks.drawing import bars
from benchmarks.models import MACE_OF_MOLECULES, MOLECULE
from benchmarks.workshop import Record, Workshop, in_turns, middle
from lampion.training.config.training import TrainConfig, load_config
from lampion.training.data.frames import Frames
from lampion.training.data.graphs import GraphSet, build_graphs, join
from lampion.training.loop.compiled import CompiledGradients
from lampion.training.loop.gradients import Gradients, eager_gradients
from lampion.training.loop.loss import Weights
from lampion.training.loop.optim import make_optimizer
from lampion.training.models.build import build_model
from lampion.training.models.mace import scale_shift_mace
from lampion.training.preparation.datasets import read_frames
from lampion.training.preparation.statistics import DataStatistics

TITLE = "Training"
CUTOFF, BATCH = 5.0, 5
Step = Callable[[int], None]


def missing(shop: Workshop) -> str:
    """What the user has to give before this question can be answered."""
    return "" if shop.frames else "needs --frames"


def prepare(shop: Workshop) -> None:
    """Nothing: steps are compiled in the process that takes them."""


def measure(shop: Workshop) -> Record:
    """Frames/s of one optimizer step on one thread, in turns, after as many steps for TorchScript to specialise.

    In processor time of this process, which other work on the machine does not enter.
    """
    torch.set_num_threads(1)
    assert shop.frames
    frames = read_frames(shop.frames / "train.h5").select(range(40 if shop.quick else 200))
    graphs = build_graphs(frames, CUTOFF, torch.float32)
    statistics = DataStatistics.of(frames, graphs)
    steps = {"mace-torch, take_step": mace_step(frames, statistics)}
    for l_state, channels in ((1, 16),) if shop.quick else ((2, 64), (1, 64), (1, 16)):
        config = load_config(MOLECULE, [f"model.l_state={l_state}", f"model.channels={channels}"])
        steps |= lampion_steps(graphs, statistics, config, f"molecule.yaml, l_state {l_state}, {channels} channels")
    for step in steps.values():
        for index in range(3 if shop.quick else 60):
            step(index)
    jobs = {name: partial(frames_per_second, step, shop.seconds) for name, step in steps.items()}
    rows = [{"name": name, **middle(speeds)} for name, speeds in in_turns(jobs, shop.rounds).items()]
    return {"batch": BATCH, "atoms": len(frames.types) / len(frames), "rows": rows}


def lampion_steps(graphs: GraphSet, statistics: DataStatistics, config: TrainConfig, name: str) -> dict[str, Step]:
    """One optimizer step of a configuration, eager and compiled."""
    model = build_model(config.model, statistics)
    optimizer = make_optimizer(config.optimizer, model)

    def step(gradients: Gradients, index: int) -> None:
        gradients(join([graphs[(index * BATCH + k) % len(graphs)] for k in range(BATCH)]), Weights(1.0, 1.0, 0.0))
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip)
        optimizer.step()

    eager = partial(eager_gradients, model, scale=statistics.force_scale)
    compiled = CompiledGradients(model, statistics.force_scale)
    return {f"{name}, eager": partial(step, eager), f"{name}, compiled": partial(step, compiled)}


def mace_step(frames: Frames, statistics: DataStatistics) -> Step:
    """One optimizer step of mace-torch (32 channels, L = 1, two layers), as `mace_run_train` takes it."""
    model = scale_shift_mace(MACE_OF_MOLECULES, statistics)
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
    atoms = [data.AtomicData.from_config(entry, z_table=table, cutoff=CUTOFF) for entry in configs]
    batches = list(torch_geometric.dataloader.DataLoader(atoms, batch_size=BATCH, drop_last=True))  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    loss = modules.WeightedEnergyForcesLoss(energy_weight=1.0, forces_weight=100.0)
    wanted = {"forces": True, "virials": False, "stress": False}
    device = torch.device("cpu")

    def step(index: int) -> None:
        take_step(model, loss, batches[index % len(batches)], optimizer, None, wanted, 10.0, device)

    return step


def frames_per_second(step: Step, seconds: float) -> float:
    """Speed over at least so many seconds of processor time."""
    start, index = time.process_time(), 0
    while time.process_time() - start < seconds:
        step(index)
        index += 1
    return index * BATCH / (time.process_time() - start)


def table(record: Record) -> list[str]:
    """One row a way of training."""
    rows = {row["name"]: row["speed"] for row in record["rows"]}
    mace = rows["mace-torch, take_step"]
    lines = [f"| {record['atoms']:.0f} atoms, {record['batch']} frames a step | frames/s | of mace-torch |",
             "|---|---:|---:|"]  # fmt: skip
    return [*lines, *(f"| {name} | {speed:.1f} | {speed / mace:.2f} |" for name, speed in rows.items())]


def figure(record: Record) -> Figure:
    """Frames/s as bars."""
    return bars({row["name"]: row["speed"] for row in record["rows"]}, "frames/s")
