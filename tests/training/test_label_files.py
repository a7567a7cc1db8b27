"""Labels of other people's files: found under common names, in declared units, or refused with what was found."""

import gzip
import lzma
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from lampion.training.data.frames import Frames, Source, concatenate
from lampion.training.data.hdf5 import read_hdf5, write_stream
from lampion.training.errors import ConfigError, DataError
from lampion.training.labels.ase_labels import LabelReader
from lampion.training.labels.file_units import ENERGY, LENGTH
from lampion.training.labels.read_options import ReadOptions
from lampion.training.labels.sources import read_frames, read_isolated, read_parts
from shared_data import shared_data

SYMBOLS = "HOH"
POSITIONS = np.array([[0.0, 0.76, 0.59], [0, 0, 0], [0, -0.76, 0.59]])
KCAL = ENERGY["kcal/mol"]


def water(frame: int, *, cell: bool = False) -> Atoms:
    rng = np.random.default_rng(frame)
    return Atoms(
        SYMBOLS, positions=POSITIONS + rng.normal(0, 0.03, (3, 3)), cell=12 * np.eye(3) if cell else None, pbc=cell
    )


def forces(frame: int) -> np.ndarray:
    return np.random.default_rng(100 + frame).normal(size=(3, 3))


def symmetric(frame: int) -> np.ndarray:
    values = np.random.default_rng(200 + frame).normal(size=(3, 3))
    return values + values.T


def labelled(frame: int, energy: str, force: str, *, cell: bool = False, **info: object) -> Atoms:
    atoms = water(frame, cell=cell)
    atoms.info = {energy: -10.0 - frame, **info}
    atoms.arrays[force] = forces(frame)
    return atoms


def write(path: Path, images: list[Atoms]) -> Path:
    ase.io.write(path, images, format="extxyz")
    return path


def assert_labels(frames: Frames, energy: float = 1.0, length: float = 1.0) -> None:
    n = len(frames)
    np.testing.assert_allclose(frames.energy, energy * (-10.0 - np.arange(n)), rtol=1e-12)
    expected = np.concatenate([forces(f) for f in range(n)]) * energy / length
    np.testing.assert_allclose(frames.forces, expected, atol=1e-7 * energy / length)
    positions = np.concatenate([water(f).positions for f in range(n)]) * length
    np.testing.assert_allclose(frames.positions, positions, atol=1e-7)
    assert [frames.type_names[t] for t in frames.types] == list(SYMBOLS) * n


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("energy", "force"),
    [("REF_energy", "REF_forces"), ("energy", "forces"), ("energy", "force"), ("dft_energy", "dft_force"),
     ("DFT_energy", "DFT_forces"), ("Energy", "Forces")],
)  # fmt: skip
def test_common_names_are_found(tmp_path, energy, force):
    path = write(tmp_path / "a.xyz", [labelled(f, energy, force) for f in range(3)])
    assert_labels(read_frames(path))


def test_results_of_a_calculator_are_labels(tmp_path):
    images = [water(f, cell=True) for f in range(3)]
    for f, atoms in enumerate(images):
        stress = full_3x3_to_voigt_6_stress(symmetric(f))
        atoms.calc = SinglePointCalculator(atoms, energy=-10.0 - f, forces=forces(f), stress=stress)
    frames = read_frames(write(tmp_path / "a.xyz", images))
    assert_labels(frames)
    np.testing.assert_allclose(frames.stress, [symmetric(f) for f in range(3)], atol=1e-7)


def test_reference_labels_win_over_a_calculators(tmp_path):
    atoms = labelled(0, "REF_energy", "REF_forces")
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.ones((3, 3)))
    assert_labels(read_frames(write(tmp_path / "a.xyz", [atoms])))


def test_two_label_sets_are_refused_until_one_is_asked_for(tmp_path):
    atoms = labelled(0, "energy", "forces", dft_energy=-3.0)
    atoms.arrays["dft_forces"] = np.ones((3, 3))
    path = write(tmp_path / "a.xyz", [atoms])
    with pytest.raises(DataError, match="several label sets: energy with forces or dft_energy with dft_forces; say"):
        read_frames(path)
    assert_labels(read_frames(path, ReadOptions("energy", "forces")))
    assert read_frames(path, ReadOptions("dft_energy", "dft_forces")).forces[0, 0] == 1.0


def test_unusual_names_are_asked_for_both_at_once(tmp_path):
    path = write(tmp_path / "a.xyz", [labelled(f, "energy_md17", "forces_md17") for f in range(2)])
    with pytest.raises(DataError, match=r"frame 0: energy and forces missing \(found: energy_md17, forces_md17\)"):
        read_frames(path)
    assert_labels(read_frames(path, ReadOptions("energy_md17", "forces_md17")))
    with pytest.raises(ConfigError, match="--energy-key and --forces-key go together"):
        ReadOptions(energy_key="energy_md17")


def test_energies_and_forces_of_two_sets_are_not_mixed(tmp_path):
    """REF_energy with a calculator's forces is no label set."""
    with pytest.raises(DataError, match="energy and forces of one label set missing"):
        read_frames(write(tmp_path / "a.xyz", [labelled(0, "REF_energy", "forces")]))


def test_label_missing_in_a_later_frame(tmp_path):
    images = [labelled(f, "dft_energy", "dft_forces") for f in range(3)]
    del images[2].arrays["dft_forces"]
    with pytest.raises(DataError, match=r"a\.xyz: frame 2: dft_forces missing \(found: dft_energy\).*is not zero"):
        read_frames(write(tmp_path / "a.xyz", images))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda atoms: atoms.info.update(REF_energy="high"), "frame 1: REF_energy is not a number: 'high'"),
        (lambda atoms: atoms.info.update(REF_energy=np.nan), "frame 1 .*the energy is not finite"),
        (lambda atoms: atoms.arrays.update(REF_forces=np.full((3, 3), np.nan)), "frame 1 .*atom 1: forces are not fin"),
        (lambda atoms: atoms.arrays.update(REF_forces=np.ones((3, 2))), r"REF_forces has shape \(3, 2\), expected"),
    ],
)
def test_labels_that_are_no_labels(tmp_path, change, message):
    images = [labelled(f, "REF_energy", "REF_forces") for f in range(3)]
    change(images[1])
    with pytest.raises(DataError, match=message):
        read_frames(write(tmp_path / "a.xyz", images))


def test_periodic_frame_without_a_cell(tmp_path):
    path = write(tmp_path / "a.xyz", [labelled(0, "energy", "forces")])
    path.write_text(path.read_text().replace('pbc="F F F"', 'pbc="T T T"'))
    with pytest.raises(DataError, match="frame 0: is periodic but has no cell"):
        read_frames(path)


# -- stress and virial ------------------------------------------------------------------------------------------------


def test_virial_becomes_stress_of_opposite_sign(tmp_path):
    images = [labelled(f, "dft_energy", "dft_forces", cell=True, dft_virial=symmetric(f)) for f in range(2)]
    frames = read_frames(write(tmp_path / "a.xyz", images))
    np.testing.assert_allclose(frames.stress, [-symmetric(f) / 12**3 for f in range(2)], rtol=1e-6)


@pytest.mark.parametrize(
    ("key", "order"), [("s", "xx yy zz yz xz xy"), ("s_xx_yy_zz_xy_yz_zx", "xx yy zz xy yz zx"), ("nine", None)]
)
def test_order_of_the_components_is_ases_or_the_one_named(tmp_path, key, order):
    tensor = symmetric(5)
    flat = tensor.ravel() if order is None else [tensor["xyz".index(a), "xyz".index(b)] for a, b in order.split()]
    text = " ".join(f"{value:.9f}" for value in flat)
    atoms = labelled(0, "energy", "forces", cell=True, **{key: text})
    frames = read_frames(write(tmp_path / "a.xyz", [atoms]), ReadOptions(stress_key=key, stress_unit="GPa"))
    np.testing.assert_allclose(frames.stress[0], tensor / 160.21766208, rtol=1e-6)
    pressure = ReadOptions(stress_key=key, stress_unit="kbar", compression_positive=True)
    np.testing.assert_allclose(read_frames(tmp_path / "a.xyz", pressure).stress[0], -tensor / 1602.1766208, rtol=1e-6)


def test_stress_of_some_frames_only_is_refused_and_can_be_left_out(tmp_path):
    images = [labelled(f, "energy", "forces", cell=True) for f in range(2)]
    images[0].info["stress"] = symmetric(0)
    path = write(tmp_path / "a.xyz", images)
    with pytest.raises(DataError, match="frame 1: stress missing"):
        read_frames(path)
    assert read_frames(path, ReadOptions(stress_key="none")).stress is None


def test_stress_that_is_none(tmp_path):
    path = write(tmp_path / "a.xyz", [labelled(0, "energy", "forces", cell=True, s="1 2 3")])
    with pytest.raises(DataError, match="s is not a tensor of 6 or 9 numbers"):
        read_frames(path, ReadOptions(stress_key="s"))


# -- units ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("energy", ENERGY)
@pytest.mark.parametrize("length", LENGTH)
def test_declared_units_are_converted(tmp_path, energy, length):
    path = write(tmp_path / "a.xyz", [labelled(f, "energy", "forces") for f in range(2)])
    frames = read_frames(path, ReadOptions(energy_unit=energy, length_unit=length))
    assert_labels(frames, ENERGY[energy], LENGTH[length])


def test_factors_are_the_published_ones():
    assert pytest.approx(0.0433641042418, rel=1e-9) == KCAL
    assert ENERGY["Ha"] == pytest.approx(27.211386245988, rel=1e-12)
    assert ENERGY["kJ/mol"] == pytest.approx(KCAL / 4.184, rel=1e-9)
    assert LENGTH["bohr"] == pytest.approx(0.529177210903, rel=1e-8)


def test_unknown_unit_and_options_of_another_kind_of_file(tmp_path):
    path = write(tmp_path / "a.xyz", [labelled(0, "energy", "forces")])
    with pytest.raises(ConfigError, match="unknown unit 'erg'; known here: eV, kcal/mol, kJ/mol, Ha"):
        read_frames(path, ReadOptions(energy_unit="erg"))
    with pytest.raises(ConfigError, match=r"a\.xyz: --units does not apply to this kind of file"):
        read_frames(path, ReadOptions(units="metal"))


# -- compressed and damaged -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "opener"), [(".gz", gzip.open), (".xz", lzma.open)])
def test_compressed_files_are_read_like_plain_ones(tmp_path, suffix, opener):
    plain = write(tmp_path / "a.xyz", [labelled(f, "energy", "forces") for f in range(450)])
    packed = tmp_path / f"a.xyz{suffix}"
    with opener(packed, "wt") as stream:
        stream.write(plain.read_text())
    assert_labels(read_frames(packed))
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(DataError, match="not readable as extended XYZ near frame"):
        read_frames(packed)


def test_place_of_damage_is_named(tmp_path):
    path = write(tmp_path / "a.xyz", [labelled(f, "energy", "forces") for f in range(3)])
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match=r"near frame 2 \(2 of 3 atoms, then the file ends\)"):
        read_frames(path)


# -- isolated atoms ---------------------------------------------------------------------------------------------------


def test_isolated_atoms_are_kept_apart_and_survive_every_format(tmp_path):
    alone = [Atoms("O", info={"energy": -2000.0, "config_type": "IsolatedAtom"}, cell=9 * np.eye(3), pbc=True),
             Atoms("H", info={"energy": -13.0})]  # fmt: skip
    path = write(tmp_path / "a.xyz", [alone[0], *(labelled(f, "energy", "forces") for f in range(2)), alone[1]])
    assert read_isolated(path) == {"O": -2000.0, "H": -13.0}
    frames = read_frames(path)
    assert len(frames) == 2
    assert frames.isolated == {"O": -2000.0, "H": -13.0}
    write_stream(frames.chunks(1), tmp_path / "a.h5")
    assert read_hdf5(tmp_path / "a.h5").isolated == frames.isolated


def test_isolated_atoms_count_as_frames_in_messages(tmp_path):
    images = [Atoms("H", info={"energy": -13.0}), *(labelled(f, "energy", "forces") for f in range(2))]
    images[2].arrays["forces"][0, 0] = np.nan
    with pytest.raises(DataError, match=r"frame 2 \(step 2\), atom 1: forces are not finite"):
        read_frames(write(tmp_path / "a.xyz", images))


def test_isolated_atoms_at_the_very_end_are_not_lost():
    images = [*(labelled(f, "energy", "forces") for f in range(3)), Atoms("H", info={"energy": -13.0})]
    reader = LabelReader(ReadOptions(), Source("a", "0"), "a")
    assert concatenate(list(reader.parts(images, size=3))).isolated == {"H": -13.0}


def test_isolated_atoms_that_contradict_each_other_or_stand_alone(tmp_path):
    alone = [Atoms("H", info={"energy": energy}) for energy in (-13.0, -14.0)]
    with pytest.raises(DataError, match="holds isolated atoms only"):
        read_frames(write(tmp_path / "a.xyz", alone[:1]))
    with pytest.raises(DataError, match="frame 1: a second isolated H with another energy"):
        read_frames(write(tmp_path / "a.xyz", alone))
    with pytest.raises(DataError, match="holds no isolated atoms"):
        read_isolated(write(tmp_path / "a.xyz", [labelled(0, "energy", "forces")]))


# -- npz --------------------------------------------------------------------------------------------------------------


def npz(path: Path, layout: str, **more: object) -> Path:
    names = {"rmd17": ("nuclear_charges", "coords", "energies"), "md17": ("z", "R", "E")}[layout]
    n = 4
    energies = -10.0 - np.arange(n)
    arrays = {
        names[0]: np.array([1, 8, 1], dtype=np.uint8),
        names[1]: np.stack([water(f).positions for f in range(n)]),
        names[2]: energies if layout == "rmd17" else energies[:, None],
        "forces" if layout == "rmd17" else "F": np.stack([forces(f) for f in range(n)]),
    }
    np.savez(path, **{**arrays, **more})
    return path


def test_rmd17_layout_needs_its_unit(tmp_path):
    path = npz(tmp_path / "a.npz", "rmd17", old_indices=np.arange(4))
    with pytest.raises(DataError, match=r"a wrong guess is wrong by 23; the forces are [\d.]+ rms .*--energy-unit"):
        read_frames(path)
    assert_labels(read_frames(path, ReadOptions(energy_unit="kcal/mol")), KCAL)


def test_md17_layout_may_declare_its_units(tmp_path):
    path = npz(tmp_path / "a.npz", "md17", e_unit="kcal/mol", r_unit="Ang", type="d")
    assert_labels(read_frames(path), KCAL)
    assert_labels(read_frames(path, ReadOptions(energy_unit="kcal/mol")), KCAL)
    with pytest.raises(DataError, match="declares its energy in kcal/mol, the command line in eV"):
        read_frames(path, ReadOptions(energy_unit="eV"))


def test_npz_in_pieces_is_the_whole(tmp_path):
    options = ReadOptions(energy_unit="eV")
    path = npz(tmp_path / "a.npz", "md17", lattice=np.triu(12 * np.ones((3, 3))))
    frames = concatenate(list(read_parts(path, options)))
    assert_labels(frames)
    np.testing.assert_array_equal(frames.cell[0], np.tril(12 * np.ones((3, 3))))  # columns there, rows here
    assert frames.pbc.all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"E": np.zeros(3)}, r"E has shape \(3,\), expected \(4,\)"),
        ({"F": np.zeros((4, 3))}, r"F has shape \(4, 3\), expected \(4, 3, 3\)"),
        ({"F": np.full((4, 3, 3), np.nan)}, "frame 0 .*forces are not finite"),
    ],
)
def test_damaged_npz(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        read_frames(npz(tmp_path / "a.npz", "md17", **change), ReadOptions(energy_unit="eV"))


def test_foreign_npz_is_not_executed(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([object()], dtype=object))
    with pytest.raises(DataError, match="not a readable npz file of plain arrays"):
        read_frames(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", x=np.zeros(1))
    with pytest.raises(DataError, match=r"holds x; expected nuclear_charges coords energies forces \(rMD17\)"):
        read_frames(tmp_path / "a.npz", ReadOptions(energy_unit="eV"))


# -- ASE data bases ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".db", ".json"])
def test_ase_data_base(tmp_path, suffix):
    with ase.db.connect(tmp_path / f"a{suffix}") as rows:
        for f in range(3):
            atoms = water(f)
            atoms.calc = SinglePointCalculator(atoms, energy=-10.0 - f, forces=forces(f))
            rows.write(atoms, note="x")
    assert_labels(read_frames(tmp_path / f"a{suffix}"))


def test_schnetpack_data_base_declares_its_units(tmp_path):
    with ase.db.connect(tmp_path / "a.db") as rows:
        for f in range(3):
            rows.write(water(f), data={"energy": np.array([-10.0 - f]), "forces": forces(f)})
        rows.metadata = {
            "_property_unit_dict": {"energy": "kcal/mol", "forces": "kcal/mol/Ang"},
            "_distance_unit": "Ang",
        }
    assert_labels(read_frames(tmp_path / "a.db"), KCAL)
    with pytest.raises(DataError, match="declares energy unit kcal/mol, the command line eV"):
        read_frames(tmp_path / "a.db", ReadOptions(energy_unit="eV"))


@pytest.mark.parametrize("suffix", [".db", ".json"])
def test_foreign_data_base(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_text("hello")
    with pytest.raises(DataError, match="not a readable ASE data base"):
        read_frames(tmp_path / f"a{suffix}")


def test_unknown_kind_of_file(tmp_path):
    with pytest.raises(ConfigError, match=r"a\.poscar: unknown kind of data; expected one of \.h5"):
        read_frames(tmp_path / "a.poscar")


def test_dumps_go_by_any_name(tmp_path):
    """It is taken for a dump, and then found to lack its log, or its columns."""
    (tmp_path / "dump.argon").write_text("ITEM: TIMESTEP\n0\n")
    with pytest.raises(DataError, match=r"log\.lammps: no such file; energies come from the log"):
        read_frames(tmp_path / "dump.argon")


# -- real data --------------------------------------------------------------------------------------------------------


@pytest.mark.shared
def test_published_label_sets_differ_as_documented():
    """rMD17 files hold the revised labels under plain names and the original ones under names to be asked for."""
    path = shared_data("rmd17/ethanol.extxyz.xz")
    revised, original = read_frames(path), read_frames(path, ReadOptions("energy_md17", "forces_md17"))
    assert np.abs(revised.forces - original.forces).mean() == pytest.approx(0.185, abs=0.002)


@pytest.mark.shared
def test_published_isolated_atoms():
    found = read_isolated(shared_data("botnet/3BPA_iso_atoms.xyz.xz"))
    assert found.keys() == {"C", "H", "N", "O"}
    assert found["C"] == pytest.approx(-1029.489)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("qm9/qm9_u0.extxyz.xz", "energy and forces missing"),
        ("aluminium/al_qe_flare_forces_only.extxyz.xz", "energy m"),
    ],
)
def test_published_sets_without_energies_or_forces_are_refused(name, missing):
    with pytest.raises(DataError, match=missing):
        read_frames(shared_data(name))
