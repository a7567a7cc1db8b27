"""Boxes, atoms, units and other pair styles: the model is the native pair style before the first step."""

from pathlib import Path

import pytest

from matrix import CRYSTAL, Matrix, Situation


def box(region: str, atoms: str = "create_atoms 1 box") -> str:
    return f"{region}\ncreate_box 2 box\n{atoms}\n"


SHAKEN = "create_atoms 1 box\nset group all type/ratio 2 0.4 11\ndisplace_atoms all random ${d} ${d} ${d} 5 units box"
SLAB = box("region box block 0 3 0 3 -4 7\nregion slab block 0 3 0 3 0 2", SHAKEN.replace("box", "region slab", 1))
SMALL = "region box block 0 1 0 1 0 1"
VACUUM = "region box block 0 40 0 40 0 40 units box"
BONDED = f"""
region box block 0 ${{n}} 0 ${{n}} 0 ${{n}}
create_box 2 box bond/types 1 extra/bond/per/atom 20 extra/special/per/atom 60
{SHAKEN}
bond_style harmonic
bond_coeff 1 0.4 2.5
mass 1 ${{m1}}
mass 2 ${{m2}}
PAIR
create_bonds many all all 1 $(2.0*v_L) $(2.9*v_L)
special_bonds lj/coul 1.0 1.0 1.0
"""
CHARGED = f"{CRYSTAL}\nset type 1 charge 0.4\nset type 2 charge -0.6"

BOXES = {
    "cubic": Situation(),
    "triclinic": Situation(
        atoms=box("region box prism 0 3 0 3 0 3 0.8 -0.5 1.1", SHAKEN),
    ),
    "tilted-by-more-than-half": Situation(atoms=box("box tilt large\nregion box prism 0 3 0 3 0 3 2 -2 2", SHAKEN)),
    "triclinic-two-ranks": Situation(atoms=box("region box prism 0 3 0 3 0 3 0.8 -0.5 1.1", SHAKEN), ranks=2),
    "origin-elsewhere": Situation(atoms=box("region box block -7 -4 5 8 -1.5 1.5", SHAKEN)),
    "free": Situation(before="boundary f f f"),
    "shrink-wrapped": Situation(before="boundary s s s"),
    "shrink-wrapped-with-minimum": Situation(before="boundary m m m"),
    "slab": Situation(atoms=SLAB, before="boundary p p f"),
    "each-face-its-own": Situation(before="boundary p fs m"),
    "shrink-wrapped-slab-two-ranks": Situation(atoms=SLAB, before="boundary p p s", ranks=2),
    "free-two-ranks": Situation(before="boundary f s m", ranks=2),
    "smaller-than-the-cutoff": Situation(atoms=box(SMALL, SHAKEN)),
    "smaller-than-the-cutoff-two-ranks": Situation(atoms=box(SMALL, SHAKEN), ranks=2),
    "one-atom": Situation(atoms=box("region box block 0 0.6 0 0.6 0 0.6", "create_atoms 2 single 0.1 0.2 0.3")),
    "one-atom-triclinic": Situation(
        atoms=box("region box prism 0 0.6 0 0.6 0 0.6 0.2 0.1 0.3", "create_atoms 1 single 0.3 0.3 0.3"),
    ),
    "one-atom-thin": Situation(
        atoms=box("region box block 0 0.6 0 9 0 9", "create_atoms 1 single 0.1 0.2 0.3"), before="boundary p f f"
    ),
    "two-dimensions": Situation(
        "velocity all create ${t} 7 loop geom\nfix 1 all nve\nfix 2 all enforce2d\nrun 10",
        atoms=box(
            "dimension 2\nlattice sq $(v_a/1.4)\nregion box block 0 7 0 7 -0.5 0.5",
            SHAKEN.replace("${d} 5 units", "0 5 units"),
        ),
        potentials=("lj", "eam"),
    ),
    "lonely-atom": Situation(atoms=box(VACUUM, "create_atoms 1 single 20 20 20 units box"), before="boundary f f f"),
    "atoms-out-of-reach": Situation(
        atoms=box(VACUUM, "create_atoms 1 single 5 5 5 units box\ncreate_atoms 2 single 30 30 30 units box"), ranks=2
    ),
    "dimer-and-lonely-atom": Situation(
        atoms=box(
            VACUUM,
            "create_atoms 1 single 39 5 5 units box\ncreate_atoms 2 single 1.3 5 5 units box\n"
            "create_atoms 2 single 20 30 30 units box",
        )
    ),
    "no-atoms": Situation(atoms=box(VACUUM, "")),
}

ATOMS = {
    "atom-map-array": Situation(before="atom_modify map array"),
    "atom-map-hash": Situation(before="atom_modify map hash", ranks=2),
    "atoms-not-sorted": Situation(before="atom_modify sort 0 0.0", ranks=2),
    "ids-with-gaps": Situation(atoms=CRYSTAL + "delete_atoms random fraction 0.3 yes all NULL 5 compress no"),
    "ids-with-gaps-two-ranks": Situation(
        atoms=CRYSTAL + "delete_atoms random fraction 0.3 yes all NULL 5 compress no", ranks=2
    ),
    "style-charge": Situation(before="atom_style charge", atoms=CHARGED),
    "style-molecular": Situation(before="atom_style molecular"),
    "style-bond-with-bonds": Situation(before="atom_style bond", atoms=BONDED),
    "style-full-with-bonds": Situation(before="atom_style full", atoms=BONDED, ranks=2),
    "style-hybrid": Situation(before="atom_style hybrid charge molecular"),
    "excluded-types": Situation("neigh_modify exclude type 1 2\nrun 0"),
    "excluded-group-two-ranks": Situation("group two type 2\nneigh_modify exclude group two two\nrun 0", ranks=2),
    "excluded-molecules": Situation(
        "set atom 1*50 mol 1\nset atom 51* mol 2\nneigh_modify exclude molecule/inter all\nrun 0",
        before="atom_style molecular",
    ),
}

UNITS = {
    units: Situation(
        units=units,
        potentials=("lj",),
        atoms=CRYSTAL,
        then="velocity all create ${t} 7 loop geom\nfix 1 all nve\nrun 20",
    )
    for units in ("si", "cgs", "electron", "micro", "nano", "lj", "real")
} | {
    # LAMMPS's own eV in kcal/mol has eight digits
    "real-many-body": Situation(units="real", potentials=("eam", "sw"), static=1e-7),
}

MIXED = {
    "hybrid": Situation(pair="pair_style hybrid STYLE lj/cut 6.0\nCOEFF A NULL\npair_coeff * 2 lj/cut 0.01 2.4"),
    "hybrid-two-ranks": Situation(
        pair="pair_style hybrid STYLE lj/cut 6.0\nCOEFF NULL B\npair_coeff 1 * lj/cut 0.01 2.4", ranks=2
    ),
    "hybrid-without-any-atom-of-its-own": Situation(
        atoms=CRYSTAL + "set group all type 2",
        pair="pair_style hybrid STYLE lj/cut 6.0\nCOEFF A NULL\npair_coeff * 2 lj/cut 0.01 2.4",
        ranks=2,
    ),
    "overlay-zbl": Situation(
        pair="pair_style hybrid/overlay STYLE zbl 2.0 3.5\nCOEFF A B\npair_coeff 1 1 zbl 18 18\n"
        "pair_coeff 2 2 zbl 14 14\npair_coeff 1 2 zbl 18 14",
    ),
    "overlay-zbl-two-ranks": Situation(
        pair="pair_style hybrid/overlay zbl 2.0 3.5 STYLE\npair_coeff * * zbl 18 18\nCOEFF A B", ranks=2
    ),
    "overlay-on-one-type": Situation(
        pair="pair_style hybrid/overlay STYLE lj/cut 6.0\nCOEFF A NULL\npair_coeff * * lj/cut 0.01 2.4"
    ),
    "overlay-coul-cut": Situation(
        before="atom_style charge",
        atoms=CHARGED,
        pair="pair_style hybrid/overlay STYLE coul/cut 7.0\nCOEFF A B\npair_coeff * * coul/cut",
    ),
    "overlay-coul-long": Situation(
        before="atom_style charge",
        atoms=CHARGED,
        pair="pair_style hybrid/overlay STYLE coul/long 7.0\nCOEFF A B\npair_coeff * * coul/long\n"
        "kspace_style ewald 1e-4",
    ),
    "overlay-coul-long-two-ranks": Situation(
        before="atom_style full",
        atoms=CHARGED,
        pair="pair_style hybrid/overlay STYLE coul/long 7.0\nCOEFF A B\npair_coeff * * coul/long\n"
        "kspace_style pppm 1e-4",
        ranks=2,
    ),
    "scaled": Situation(
        pair="pair_style hybrid/scaled 0.25 STYLE 0.75 lj/cut 6.0\nCOEFF A B\npair_coeff * * lj/cut 0.01 2.4"
    ),
    "cutoff-of-another-is-longer": Situation(
        pair="pair_style hybrid/overlay STYLE lj/cut 9.0\nCOEFF A B\npair_coeff * * lj/cut 0.01 2.4", ranks=2
    ),
}

TABLE = BOXES | ATOMS | {f"units-{name}": situation for name, situation in UNITS.items()} | MIXED


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory, twin_models: Path) -> Matrix:
    return Matrix(TABLE, tmp_path_factory.mktemp("boxes"), twin_models)


@pytest.mark.parametrize("name", TABLE)
def test_model_is_the_native_pair_style(matrix: Matrix, name: str) -> None:
    matrix.check(name)
