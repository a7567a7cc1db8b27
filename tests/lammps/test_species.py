"""Molecules by the bond graph of the analysis, beside those that LAMMPS finds by the bond orders of ReaxFF."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from lampion.analysis.stability import PRESETS
from lampion.analysis.stability.bonds import BondGraph
from lampion.analysis.stability.records import Header
from lampion.analysis.stability.trajectory import Trajectory, read_trajectories
from replicas import INVISIBLE, ethanol
from stock_lmp import Finished, binary

DT, EVERY, AVERAGED = 0.25, 20, 200  # fs; steps between frames, and of one average of the bond orders
HOT = """
units real
atom_style full
boundary p p p
read_data start.data
pair_style reaxff NULL checkqeq no
pair_coeff * * {ffield} C H O
neighbor 1.0 bin
neigh_modify every 1 delay 0 check yes
{invisible}
timestep {dt}
fix move all nve
fix heat all langevin 3000 3000 50 1 zero yes
fix species all reaxff/species 4 50 {averaged} species.out element C H O
dump d all custom {every} hot.dump id type xu yu zu
dump_modify d sort id format float %.6f
run {steps}
"""


def lammps_species(path: Path) -> dict[int, Counter[str]]:
    """Step -> number of molecules of each formula."""
    found, names = {}, []
    for words in map(str.split, path.read_text().splitlines()):
        if words[0] == "#":
            names = [formula(spelled_out(word)) for word in words[4:]]
        else:
            found[int(words[0])] = Counter(dict(zip(names, map(int, words[3:]), strict=True)))
    return found


def spelled_out(name: str) -> list[str]:
    """CH3 -> C H H H."""
    return [element for element, count in re.findall(r"([A-Z])(\d*)", name) for _ in range(int(count or 1))]


def formula(elements: list[str]) -> str:
    return "".join(f"{name}{count}" for name, count in sorted(Counter(elements).items()))


def our_species(trajectory: Trajectory) -> list[Counter[str]]:
    """Of every frame: pairs of the start, less those broken and with those formed for long enough."""
    graph = BondGraph(trajectory, PRESETS["lampion"])
    bonded = np.tile(graph.bonded, (len(trajectory.time), 1))
    for away in graph.excursions():
        if away.lasting:
            bonded[away.first : away.last + 1, graph.index(away.pair)] ^= True
    names = np.array(trajectory.elements)
    frames = []
    for frame in bonded:
        count, member = connected_components(graph.adjacency(frame), directed=False)
        frames.append(Counter(formula(names[member == k].tolist()) for k in range(count)))
    return frames


@pytest.mark.slow
def test_molecules_at_3000_kelvin_are_those_of_the_bond_orders(lmp: Callable[..., Finished], tmp_path: Path) -> None:
    """Ten molecules, 20 ps: 4,000 averages of one molecule each, of which some fall apart."""
    molecules, steps = 10, 80_000
    box = ethanol(molecules, 3000.0)
    box.write_real(tmp_path)
    ffield = binary().parent / "share" / "lammps" / "potentials" / "ffield.reax.cho"
    lmp(HOT.format(ffield=ffield, invisible=INVISIBLE, dt=DT, averaged=AVERAGED, every=EVERY, steps=steps))
    header = Header("real", DT / 1000, tuple(box.names))
    ours = [our_species(found) for found in read_trajectories([tmp_path / "hot.dump"], header).values()]
    theirs = lammps_species(tmp_path / "species.out")
    whole = Counter({"C2H6O1": molecules})
    differ = reacted = 0
    for end in range(AVERAGED, steps + 1, AVERAGED):
        middle = (end - AVERAGED // 2) // EVERY
        mine = sum((frames[middle] for frames in ours), Counter[str]())
        differ += (mine - theirs[end]).total()
        reacted += mine != whole
    assert reacted > 20
    assert differ <= 0.01 * molecules * (steps // AVERAGED)
