"""What does a neighbour, a layer, a channel, an element cost?"""

from functools import partial
from typing import Any

from matplotlib.figure import Figure

from benchmarks.drawing import panels
from benchmarks.lmp import crystal, learned_pair, run_lmp
from benchmarks.models import ELEMENTS, random_network
from benchmarks.workshop import Record, Workshop, in_turns, middle
from lampion.training.config.model import ModelConfig

TITLE = "Neighbours, layers, channels, elements"
#: Two layers, l <= 1, 16 channels, and 18 neighbours in the crystal, when nothing else is said.
BASE = {"cutoff": 6.0, "layers": 2, "channels": 16, "elements": 1}
#: Shells of the crystal of 5.4 Å within each cutoff, Å.
NEIGHBOURS = {4.6: 12, 6.0: 18, 7.1: 42, 8.0: 54}
VARIED: dict[str, tuple[Any, ...]] = {
    "cutoff": tuple(NEIGHBOURS),
    "layers": (1, 2, 3),
    "channels": (8, 16, 32, 64),
    "elements": (1, 2, 4),
}


def variants(shop: Workshop) -> list[tuple[str, dict[str, Any]]]:
    """What is varied, and the settings, one after the other."""
    varied = {"layers": (1, 2)} if shop.quick else VARIED
    return [(what, BASE | {what: value}) for what, values in varied.items() for value in values]


def prepare(shop: Workshop) -> None:
    """Compile them all."""
    for _, settings in variants(shop):
        _pair(shop, settings)


def _pair(shop: Workshop, settings: dict[str, Any]) -> str:
    config = ModelConfig(**{key: value for key, value in settings.items() if key != "elements"})
    return learned_pair(random_network(shop, config, settings["elements"]), *ELEMENTS[: settings["elements"]])


def measure(shop: Workshop) -> Record:
    """Speed of each variant on one core, in turns; the settings they share are measured once."""
    atoms = 256 if shop.quick else 2000
    jobs = {
        str(settings): partial(run_lmp, crystal(atoms, _pair(shop, settings), settings["elements"]), shop.seconds)
        for _, settings in variants(shop)
    }
    found = in_turns(jobs, shop.rounds)
    rows = [
        {"varied": what, "value": settings[what], **middle([run.speed for run in found[str(settings)]])}
        for what, settings in variants(shop)
    ]
    return {"atoms": atoms, "rows": rows}


def table(record: Record) -> list[str]:
    """One row a variant; the cost is relative to the default's."""
    rows = record["rows"]
    base = next(row["speed"] for row in rows if row["value"] == BASE[row["varied"]])
    lines = ["| varied | value | 1,000 atom-steps/s | cost, of the default's |", "|---|---:|---:|---:|"]
    for row in rows:
        value = (
            f"{row['value']} Å, {NEIGHBOURS[row['value']]} neighbours" if row["varied"] == "cutoff" else row["value"]
        )
        lines.append(f"| {row['varied']} | {value} | {row['speed'] / 1e3:.4g} | {base / row['speed']:.2f} |")
    return lines


def figure(record: Record) -> Figure:
    """Cost per atom and step against each setting."""
    groups: dict[str, tuple[list[float], list[float]]] = {}
    for row in record["rows"]:
        name = "neighbours" if row["varied"] == "cutoff" else row["varied"]
        x, y = groups.setdefault(name, ([], []))
        x.append(NEIGHBOURS[row["value"]] if name == "neighbours" else row["value"])
        y.append(1e6 / row["speed"])
    return panels(groups, "µs per atom and step")
