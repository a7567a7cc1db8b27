"""Dynamics, minimisation, files, changes between runs, and MPI: the model moves as the native pair style does."""

from pathlib import Path

import pytest

from matrix import CRYSTAL, Matrix, Situation

WARM = "velocity all create ${t} 7 loop geom\n"
NPT = WARM + "fix 1 all npt temp ${t} ${t} $(100*dt) "


def nve(steps: int, *lines: str) -> str:
    return "\n".join([WARM + "fix 1 all nve", *lines, f"run {steps}"])


ENSEMBLES = {
    "nve": Situation(nve(200)),
    "nve-hot": Situation("velocity all create $(4*v_t) 7 loop geom\nfix 1 all nve\nrun 200"),
    "nvt": Situation(WARM + "fix 1 all nvt temp ${t} $(2*v_t) $(100*dt)\nrun 200"),
    "npt-iso": Situation(NPT + "iso 0 1000 $(500*dt)\nrun 200"),
    "npt-aniso": Situation(NPT + "aniso 0 0 $(500*dt)\nrun 200"),
    "npt-tri": Situation(NPT + "tri 0 0 $(500*dt)\nrun 200", atoms=CRYSTAL + "change_box all triclinic\n"),
    "npt-one-axis": Situation(NPT + "z 100 100 $(500*dt)\nrun 200"),
    "nph": Situation(WARM + "fix 1 all nph iso 0 0 $(500*dt)\nrun 200"),
    "langevin": Situation(nve(100, "fix 2 all langevin ${t} ${t} $(100*dt) 48279 zero yes")),
    "berendsen": Situation(nve(200, "fix 2 all press/berendsen iso 0 0 $(500*dt)")),
    "deform": Situation(
        nve(200, "fix 2 all deform 1 x erate 0.1 xy erate 0.05 remap x"), atoms=CRYSTAL + "change_box all triclinic\n"
    ),
    "respa": Situation(nve(100, "run_style respa 2 2 pair 2")),
    "frozen-group": Situation(nve(200, "group two type 2", "fix 2 two setforce 0 0 0")),
    "wall": Situation(nve(200, "fix 2 all wall/reflect zlo EDGE zhi EDGE"), before="boundary p p f"),
    "minimize-cg": Situation("min_style cg\nminimize 0 1e-6 40 400", moved=1e-6),
    "minimize-sd": Situation("min_style sd\nminimize 0 1e-6 40 400"),
    "minimize-quickmin": Situation("min_style quickmin\nminimize 0 1e-6 60 400", moved=1e-6),
    "minimize-hftn": Situation("min_style hftn\nminimize 0 1e-4 10 100", moved=1e-6),
    "minimize-fire": Situation("min_style fire\nminimize 0 1e-6 100 400"),
    "box-relax-iso": Situation("fix 1 all box/relax iso 0 vmax 1e-3\nminimize 0 1e-6 30 300", moved=1e-6),
    "box-relax-aniso": Situation("fix 1 all box/relax aniso 100 vmax 1e-3\nminimize 0 1e-6 30 300", moved=1e-6),
    "box-relax-tri": Situation(
        "fix 1 all box/relax tri 0 vmax 1e-3\nminimize 0 1e-6 30 300",
        atoms=CRYSTAL + "change_box all triclinic\n",
        moved=1e-6,
    ),
}

RESTART = """
write_restart PART.restart
clear
read_restart PART.restart
PAIR
neighbor ${skin} bin
timestep ${dt}
OUTPUT
"""
CLOSE = "undump 1\nuncompute e\nuncompute s\n"
CHANGES = {
    "restart": Situation(nve(50) + RESTART + "fix 1 all nve\nrun 50"),
    "restart-on-two-ranks": Situation(nve(5) + RESTART + "fix 1 all nve\nrun 5", ranks=2),
    "write-data": Situation(
        nve(20) + "\nwrite_data PART.data nocoeff\nclear\nunits metal\nread_data PART.data\n"
        "PAIR\nneighbor ${skin} bin\nOUTPUT\nrun 0"
    ),
    "rerun": Situation(
        nve(20, "dump 2 all custom 5 PART.frames id type x y z ix iy iz vx vy vz", "dump_modify 2 format float %.17g")
        + f"\nundump 2\n{CLOSE}OUTPUT\nthermo 5\nrerun PART.frames dump x y z ix iy iz"
    ),
    "read-dump": Situation(
        nve(20, "dump 2 all custom 20 PART.frames id type x y z", "dump_modify 2 format float %.17g")
        + f"\nundump 2\n{CLOSE}read_dump PART.frames 0 x y z\nOUTPUT\nrun 0"
    ),
    "several-runs": Situation(nve(20) + '\nrun 0\nrun 20 pre no\nrun 20 every 5 "print x"\nrun 100 upto'),
    "unfix-and-again": Situation(nve(20) + "\nunfix 1\nfix 1 all nvt temp ${t} ${t} $(100*dt)\nrun 20"),
    "potential-given-again": Situation(nve(20) + "\nPAIR\nrun 20"),
    "atoms-deleted": Situation(nve(20) + "\ndelete_atoms random fraction 0.4 yes all NULL 9\nrun 20"),
    "atoms-deleted-two-ranks": Situation(
        nve(5) + "\ndelete_atoms random fraction 0.6 yes all NULL 9 compress no\nrun 5", ranks=2
    ),
    "atoms-created": Situation(
        "run 0\nregion gap sphere 0 0 0 ${L}\ncreate_atoms 1 random 3 7 NULL overlap $(2*v_L) maxtry 500\nrun 0"
    ),
    "atoms-displaced": Situation("run 0\ndisplace_atoms all random ${d} ${d} ${d} 9 units box\nrun 0"),
    "types-changed": Situation("run 0\nset group all type/ratio 2 0.7 13\nrun 0"),
    "box-scaled": Situation("run 0\nchange_box all x scale 1.02 y scale 0.97 remap\nrun 0"),
    "box-sheared": Situation(f"run 0\n{CLOSE}change_box all triclinic xy delta 0.3 remap units box\nOUTPUT\nrun 0"),
    "replicated": Situation("run 0\nreplicate 2 1 1\nrun 0"),
    "replicated-two-ranks": Situation("run 0\nreplicate 1 1 2\nrun 0", ranks=2),
    "deposit": Situation(
        nve(
            100,
            "region top block 0 ${n} 0 ${n} $(v_n+1) $(v_n+2)",
            "fix 2 all deposit 8 1 10 1234 region top near ${L} vz -5 -5",
        ),
        atoms=CRYSTAL.replace("0 ${n}\ncreate_box", "0 $(v_n+4)\ncreate_box").replace(
            "create_atoms 1 box", "region low block 0 ${n} 0 ${n} 0 $(v_n-0.1)\ncreate_atoms 1 region low"
        ),
    ),
    "evaporate": Situation(nve(100, "region low block INF INF INF INF 0 1", "fix 2 all evaporate 10 3 low 49892")),
    "all-deleted": Situation(
        nve(5) + "\ndelete_atoms group all\nrun 5\ncreate_atoms 1 box\n"
        "displace_atoms all random ${d} ${d} ${d} 8 units box\nvelocity all create ${t} 9 loop geom\nrun 5"
    ),
    "ids-given-anew": Situation(
        nve(10) + "\ndelete_atoms random fraction 0.3 yes all NULL 9 compress no\nreset_atoms id\nrun 10"
    ),
    "boundary-opened": Situation(f"run 0\n{CLOSE}change_box all boundary p p f\nOUTPUT\nrun 0"),
    "comm-style-changed": Situation("run 0\ncomm_style tiled\nbalance 1.0 rcb\nrun 0"),
    "omp-suffix": Situation(nve(20) + "\nsuffix off", before="package omp 2\nsuffix omp"),
    "grand-canonical": Situation(
        nve(20, "fix 2 all gcmc 5 10 10 2 29494 $(5*v_t) -2.5 ${d} full_energy"),
        before="atom_modify map yes",
        atoms=CRYSTAL + "delete_atoms random fraction 0.5 yes all NULL 9\n",
        potentials=("lj", "eam"),
    ),
    "thermal-conductivity-swap": Situation(nve(40, "fix 2 all thermal/conductivity 10 z 4")),
    "monte-carlo-swap": Situation(
        nve(40, "fix 2 all atom/swap 10 1 5 $(v_t) ke yes types 1 2"), potentials=("lj", "eam")
    ),
}

NEIGHBORS = {
    "list-every-step": Situation(nve(50, "neigh_modify every 1 delay 0 check no")),
    "list-at-intervals": Situation(nve(50, "neigh_modify every 10 delay 10 check yes")),
    "atoms-sorted-often": Situation(nve(20, "atom_modify sort 1 3.0", "neigh_modify every 2 delay 0 check no")),
    "list-multi": Situation(nve(10, "neighbor ${skin} multi")),
    "list-nsq": Situation(nve(20, "neighbor ${skin} nsq")),
    "list-without-skin": Situation("neighbor 0.0 bin\nrun 0"),
    "list-once": Situation(nve(20, "neigh_modify once yes")),
    "list-small-pages": Situation("neigh_modify page 20000 one 1000\nrun 0"),
    "ghosts-further-away": Situation(nve(20, "comm_modify cutoff $(12*v_L)")),
    "ghosts-with-velocities": Situation(nve(5, "comm_modify vel yes"), ranks=2),
}

PARALLEL = {
    "nve-two-ranks": Situation(nve(200), ranks=2, potentials=("sw",)),
    "npt-two-ranks": Situation(NPT + "aniso 0 0 $(500*dt)\nrun 20", ranks=2),
    "atoms-cross-ranks": Situation(
        "velocity all create $(4*v_t) 7 loop geom\nvelocity all set 30 20 50 sum yes\nfix 1 all nve\n"
        "neigh_modify every 5 delay 0 check no\nrun 30",
        ranks=2,
    ),
    "minimize-two-ranks": Situation("minimize 0 1e-6 5 50", ranks=2, moved=1e-6),
    "tiled": Situation("balance 1.0 rcb\n" + nve(5), before="comm_style tiled", ranks=2, potentials=("lj", "sw")),
    "tiled-from-now-on": Situation(
        "run 0\ncomm_style tiled\nbalance 1.0 rcb\n" + nve(5), ranks=2, potentials=("lj", "sw")
    ),
    "balance-shift": Situation("balance 1.0 shift xyz 10 1.05\n" + nve(5), ranks=2),
    "fix-balance": Situation(nve(6, "fix 3 all balance 2 1.0 shift z 5 1.05"), ranks=2),
    "processors-along-x": Situation(before="processors 2 1 1", ranks=2),
    "four-ranks": Situation(nve(3), ranks=4, potentials=("sw",)),
    "four-ranks-in-a-row": Situation(before="processors 1 1 4", ranks=4, potentials=("sw",)),
    "four-ranks-one-atom": Situation(
        atoms="region box block 0 6 0 6 0 6\ncreate_box 2 box\ncreate_atoms 1 single 1 1 1\n"
        "create_atoms 2 single 1 1 1.6",
        ranks=4,
        potentials=("sw",),
    ),
    "four-ranks-tiled": Situation("balance 1.0 rcb\nrun 0", before="comm_style tiled", ranks=4, potentials=("sw",)),
    "four-ranks-empty-half": Situation(
        "run 0",
        atoms=CRYSTAL.replace("0 ${n}\ncreate_box", "0 $(2*v_n)\ncreate_box")
        .replace("1 box", "1 region low")
        .replace("create_atoms", "region low block INF INF INF INF 0 $(v_n-0.1)\ncreate_atoms"),
        ranks=4,
        potentials=("sw",),
        before="boundary p p f",
    ),
}

TABLE = ENSEMBLES | CHANGES | NEIGHBORS | PARALLEL


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory, twin_models: Path) -> Matrix:
    return Matrix(TABLE, tmp_path_factory.mktemp("motion"), twin_models)


@pytest.mark.parametrize("name", TABLE)
def test_model_moves_as_the_native_pair_style(matrix: Matrix, name: str) -> None:
    matrix.check(name)
