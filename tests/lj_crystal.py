"""A Lennard-Jones crystal of 108 atoms as LAMMPS input text, and a look at which processes work in a folder."""

import time
from pathlib import Path

CRYSTAL = """
units lj
lattice fcc 0.8442
region box block 0 3 0 3 0 3
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0
fix 1 all nve
thermo 10
"""

# Two atoms that leave an open box at once.
FLYING = """
units lj
boundary f f f
region box block 0 10 0 10 0 10
create_box 1 box
create_atoms 1 single 5 5 5
create_atoms 1 single 5 6.2 5
mass 1 1.0
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0
velocity all set 50 0 0
fix 1 all nve
thermo 20
"""

# Two atoms on the same spot: their distance, force and energy are not numbers.
OVERLAPPING = """
units lj
region box block 0 10 0 10 0 10
create_box 1 box
create_atoms 1 single 5 5 5
create_atoms 1 single 5 5 5
mass 1 1.0
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0
fix 1 all nve
thermo 1
"""

ENDLESS = CRYSTAL + "run 1000000000\n"


def working_in(folder: Path) -> dict[int, str]:
    """The living processes whose working folder is `folder`: process id -> name."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and (process / "cwd").readlink() == folder.resolve():
                found[int(process.name)] = (process / "comm").read_text().strip()
        except OSError:
            continue  # it ended while we looked
    return found


def eventually(condition, seconds=10.0):
    """Wait until `condition()` is true; its last value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value
