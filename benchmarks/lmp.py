"""Runs of the real `lmp`: a crystal of any size under any pair style, its speed, breakdown and memory."""

import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.workshop import output_of
from lampion.pipeline.lmp.environment import lammps_binary, lammps_environment, mpiexec

#: Tethered to its sites, it stays a crystal and keeps its neighbours even under random weights.
CRYSTAL = """
units metal
lattice fcc {lattice}
region box block 0 {x} 0 {y} 0 {z}
create_box {n_types} box
create_atoms 1 box {basis}
displace_atoms all random 0.1 0.1 0.1 5 units box
mass * {mass}
{pair}
velocity all create {kelvin} 7 loop geom
fix 1 all nve
fix tether all spring/self 1.0
thermo 1000000
"""
#: After a warm-up, as many steps as fit in the time; then the largest resident memory of the first rank, from Linux.
MEASURED = """
run 5
{before}
fix measured all halt 2 tlimit > {seconds} error soft message no
run 100000000
shell "grep VmHWM /proc/$PPID/status"
"""
#: Unit cells of four atoms along each axis.
CELLS = {108: (3, 3, 3), 256: (4, 4, 4), 500: (5, 5, 5), 1000: (5, 5, 10), 2000: (5, 10, 10), 4000: (10, 10, 10),
         8000: (10, 10, 20), 16000: (10, 20, 20), 32000: (20, 20, 20)}  # fmt: skip


@dataclass(frozen=True)
class Crystal:
    """A face-centred cubic crystal: constant of its lattice in Å, mass of an atom in g/mol, temperature in K."""

    lattice: float
    mass: float
    kelvin: float


ARGON_CRYSTAL = Crystal(lattice=5.4, mass=39.948, kelvin=40.0)


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        atoms: of the system.
        steps: measured.
        cores: ranks times threads.
        busy: processor time over wall time of a rank.
        loop, pair, neigh, comm: LAMMPS's own breakdown, seconds of wall time per step, mean over ranks.
        ghosts: per rank.
        memory: largest resident memory of the first rank, bytes; 0 where the system does not tell.
    """

    atoms: int
    steps: int
    cores: int
    busy: float
    loop: float
    pair: float
    neigh: float
    comm: float
    ghosts: float
    memory: int

    @property
    def speed(self) -> float:
        """Atom-steps/s: on one core of processor time, which other work does not enter; else of wall time."""
        return self.atoms / (self.loop * (self.busy if self.cores == 1 else 1.0))

    def __str__(self) -> str:
        speed, memory = f"{self.speed:.4g} atom-steps/s", f"{self.memory >> 20} MiB"
        return f"{self.atoms} atoms, {self.steps} steps, {speed}, {memory}, {self.busy:.0%} of a core"


def learned_pair(model: Path, *names: str) -> str:
    """Lines of a model file; one name per atom type."""
    return f'pair_style lampion\npair_coeff * * "{model.resolve()}" {" ".join(names or ["Ar"])}'


def crystal(atoms: int, pair: str, n_types: int = 1, of: Crystal = ARGON_CRYSTAL) -> str:
    """Input of a crystal, its four sublattices shared among the types."""
    x, y, z = CELLS[atoms]
    basis = " ".join(f"basis {k + 1} {k % n_types + 1}" for k in range(4))
    return CRYSTAL.format(x=x, y=y, z=z, n_types=n_types, basis=basis, pair=pair, **asdict(of))


def run_lmp(
    text: str,
    seconds: float,
    *,
    ranks: int = 1,
    threads: int = 1,
    before: str = "",
    program: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Run:
    """Set a system up by an input text, warm up, and run it for about so many seconds.

    Args:
        text: all before the first `run`.
        seconds: of the measurement.
        ranks, threads: MPI ranks, and threads of each.
        before: input between warm-up and measurement.
        program, env: another `lmp` and its environment.
    """
    program = program or [str(lammps_binary())]
    parallel = [str(mpiexec()), "-n", str(ranks)] if ranks > 1 else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in.lmp").write_text(text + MEASURED.format(seconds=seconds, before=before))
        command = [*parallel, *program, "-in", "in.lmp", "-log", "none"]
        output = output_of(command, folder, lammps_environment(threads) if env is None else env)
    return read_run(output, ranks * threads)


def read_run(output: str, cores: int) -> Run:
    """The last run of what `lmp` printed."""
    _find("(Loop time of )", output)
    last = output.rpartition("Loop time of ")[2]
    words = last.split()  # 1.5 on 2 procs for 40 steps with 500 atoms
    loop, steps, atoms = float(words[0]), int(words[5]), int(words[8])
    times = {key: float(_find(rf"{key}\s*\|[^|]*\|([^|]*)\|", last)) / steps for key in ("Pair", "Neigh", "Comm")}
    ghosts, busy = float(_find(r"Nghost:\s+(\S+) ave", last)), float(_find(r"([\d.]+)% CPU use", last)) / 100
    found = re.search(r"VmHWM:\s*(\d+) kB", last)
    memory = 1024 * int(found[1]) if found else 0
    return Run(atoms, steps, cores, busy, loop / steps, times["Pair"], times["Neigh"], times["Comm"], ghosts, memory)


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if not found:
        sys.exit(f"lmp printed no {pattern}:\n{text[-1500:]}")
    return found[1]
