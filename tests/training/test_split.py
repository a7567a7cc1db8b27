"""Splits: disjoint, complete, the same for the same seed, and exactly the rows that files of row numbers name."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lampion.training.config.training import DataConfig, load_config
from lampion.training.data.frames import Frames, concatenate, mean_energy_per_type
from lampion.training.data.hdf5 import read_hdf5, write_hdf5
from lampion.training.errors import ConfigError, DataError
from lampion.training.files import sha256
from lampion.training.labels.extxyz import write_extxyz
from lampion.training.labels.file_units import ENERGY
from lampion.training.preparation.datasets import load_split
from lampion.training.preparation.split import Sizes, partition, partition_by_index, read_index, split_file
from molecule import FREE, trajectory
from shared_data import shared_data

NONE = {"train": None, "valid": None, "test": None}


def frames(n: int = 40) -> Frames:
    return trajectory(400).select(np.arange(0, 10 * n, 10))


@pytest.fixture
def file(tmp_path):
    write_hdf5(frames(), tmp_path / "frames.h5")
    return tmp_path / "frames.h5"


@pytest.fixture
def index(tmp_path):
    def write(name: str, rows: str) -> object:
        (tmp_path / name).write_text(rows)
        return tmp_path / name

    return write


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("sizes", [Sizes(0.8, 0.1), Sizes(30, 5), Sizes(10, 0.25, 3)], ids=str)
def test_sets_are_disjoint_and_of_the_sizes_asked_for(sizes, seed):
    parts = partition(40, sizes, seed, "x")
    together = np.concatenate(list(parts.values()))
    assert len(np.unique(together)) == len(together)
    assert tuple(map(len, parts.values())) == sizes.counts(40, "x")
    if sizes.test is None:
        assert len(together) == 40
    again = partition(40, sizes, seed, "x")
    assert all(np.array_equal(parts[name], again[name]) for name in parts)


def test_another_seed_draws_other_rows_and_none_takes_pieces():
    parts = [partition(40, Sizes(0.8, 0.1), seed, "x")["train"].tolist() for seed in (None, 1, 2)]
    assert parts[0] == list(range(32))
    assert parts[1] != parts[2] != parts[0]


@pytest.mark.parametrize(
    "sizes", [Sizes(40, 1), Sizes(0.9, 0.1), Sizes(20, 10, 11), Sizes(0.8, 0.001), Sizes(3, 1, 37)]
)
def test_sizes_that_do_not_fit(sizes):
    with pytest.raises(ConfigError, match=r"x: 40 frames cannot be split into train .*to test on"):
        partition(40, sizes, 1, "x")


def test_rows_of_files_are_taken_as_they_are(index):
    files = {"train": index("a", "3\n1\n5\n"), "valid": index("b", "0\n"), "test": index("c", "2\n4\n\n")}
    parts = partition_by_index(6, files, valid=None, test=None, seed=1, origin="x")
    assert {name: rows.tolist() for name, rows in parts.items()} == {"train": [1, 3, 5], "valid": [0], "test": [2, 4]}


def test_validation_comes_out_of_the_training_rows_and_test_out_of_the_rest(index):
    """The protocol of the rMD17 literature: 1,000 rows, of which 950 train and 50 validate."""
    files = {"train": index("a", "\n".join(map(str, range(0, 40, 2))))}
    parts = partition_by_index(40, files, valid=5, test=None, seed=1, origin="x")
    assert len(parts["train"]) == 15
    assert sorted([*parts["train"], *parts["valid"]]) == list(range(0, 40, 2))
    assert parts["test"].tolist() == list(range(1, 40, 2))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1\ntwo\n", r":2: 'two' is no row number from 0 to 39"),
        ("40\n", r":1: '40' is no row number"),
        ("-1\n", r":1: '-1' is no row number"),
        ("1\n2\n1\n", r":3: row 1 stands on line 1 already"),
        ("\n", "is empty"),
    ],
)
def test_damaged_files_of_rows(index, rows, message):
    with pytest.raises(ConfigError, match=message):
        read_index(index("a", rows), 40)


def test_rows_in_two_sets_are_refused(index):
    files = {"train": index("a", "1\n2\n"), "valid": index("b", "2\n3\n")}
    with pytest.raises(ConfigError, match="1 rows are in train and valid, the first is 2"):
        partition_by_index(6, files, valid=None, test=None, seed=1, origin="x")
    with pytest.raises(ConfigError, match="give --valid-index, or --valid N"):
        partition_by_index(6, {"train": files["train"]}, valid=None, test=None, seed=1, origin="x")
    with pytest.raises(ConfigError, match="needs --train-index"):
        partition_by_index(6, {"valid": files["valid"]}, valid=None, test=None, seed=1, origin="x")


def test_folder_of_a_split_holds_the_rows_it_records(file, tmp_path):
    folder = tmp_path / "split"
    split_file(file, folder, None, {"train": 20, "valid": 4, "test": 6}, {}, seed=3)
    record = json.loads((folder / "split.json").read_text())
    assert record["seed"] == 3
    assert record["source"]["sha256"] == sha256(file)
    for name, rows in record["rows"].items():
        part = read_hdf5(folder / f"{name}.h5")
        np.testing.assert_array_equal(part.positions, frames().select(rows).positions)
        assert record["sha256"][f"{name}.h5"] == sha256(folder / f"{name}.h5")
    assert sorted(p.name for p in folder.iterdir()) == ["split.json", "test.h5", "train.h5", "valid.h5"]


def test_folder_of_a_split_is_trained_on_as_it_is(file, tmp_path):
    split_file(file, tmp_path / "split", None, {"train": 20, "valid": 4, "test": 6}, {}, seed=3)
    split = load_split(DataConfig(file=str(tmp_path / "split")))
    assert [len(part) for part in (split.train, split.valid, split.test)] == [20, 4, 6]


def test_counts_and_further_files(file, tmp_path):
    split = load_split(DataConfig(file=str(file), train=30, valid=5, test=3, split_seed=1))
    assert [len(part) for part in (split.train, split.valid, split.test)] == [30, 5, 3]
    write_hdf5(frames(7), tmp_path / "other.h5")
    split = load_split(DataConfig(file=str(file), train=30, valid=10, test_file=str(tmp_path / "other.h5")))
    assert [len(part) for part in (split.train, split.valid, split.test)] == [30, 10, 7]
    assert split.data_sha256 != load_split(DataConfig(file=str(file))).data_sha256


def test_consecutive_pieces_are_not_copied(file):
    split = load_split(DataConfig(file=str(file)))
    assert not split.train.positions.flags.owndata
    assert not split.train.positions.flags.writeable


def test_types_of_further_files_are_numbered_alike_and_new_elements_refused(file, tmp_path):
    alone = frames(6)
    some = np.flatnonzero(np.tile(alone.types[:9] != 0, 6))  # without carbon: H is type 0 there, 1 in the training set
    no_carbon = replace(
        alone,
        type_names=("H", "O"),
        offsets=np.arange(7) * 7,
        types=alone.types[some] - 1,
        positions=alone.positions[some],
        forces=alone.forces[some],
    )
    write_hdf5(no_carbon, tmp_path / "other.h5")
    split = load_split(DataConfig(file=str(file), train=30, valid=10, test_file=str(tmp_path / "other.h5")))
    assert [split.test.type_names[t] for t in split.test.types] == [no_carbon.type_names[t] for t in no_carbon.types]
    with pytest.raises(DataError, match=r"frames\.h5: frame 0 holds C, which the training frames \(H O\) does not"):
        load_split(DataConfig(file=str(tmp_path / "other.h5"), train=3, valid=3, test_file=str(file)))


def test_element_missing_from_the_configuration(file):
    load_split(DataConfig(file=str(file), elements=["H", "C", "O", "N"]))
    with pytest.raises(DataError, match=r"frames\.h5: frame 0 holds O, which data\.elements \(C H\) does not; add O"):
        load_split(DataConfig(file=str(file), elements=["C", "H"]))


def test_files_that_were_not_converted_are_checked_before_training(tmp_path):
    factor = 1 / ENERGY["kcal/mol"]
    write_extxyz(
        replace(frames(), energy=factor * frames().energy, forces=factor * frames().forces), tmp_path / "a.xyz"
    )
    with pytest.raises(DataError, match=r"a\.xyz: the forces make [CHO-]+ bonds .*these numbers fit kcal/mol"):
        load_split(DataConfig(file=str(tmp_path / "a.xyz")))


def test_energies_of_isolated_atoms_are_taken_from_the_data_a_file_or_the_configuration(tmp_path):
    told = replace(frames(), isolated=FREE)
    write_hdf5(told, tmp_path / "frames.h5")
    write_hdf5(frames(), tmp_path / "untold.h5")
    expected = [FREE[name] for name in told.type_names]
    for name, source in (("frames", None), ("untold", str(tmp_path / "frames.h5")), ("untold", FREE)):
        config = DataConfig(file=str(tmp_path / f"{name}.h5"), energies="isolated_atoms", isolated_atoms=source)
        assert load_split(config).energy_shift.tolist() == expected
    with pytest.raises(ConfigError, match="the energy of an isolated C and H and O is unknown; give data"):
        load_split(DataConfig(file=str(tmp_path / "untold.h5"), energies="isolated_atoms"))


def test_least_squares_is_the_default_and_uses_training_frames_only(file):
    split = load_split(DataConfig(file=str(file)))
    np.testing.assert_allclose(split.energy_shift, mean_energy_per_type(frames().select(np.arange(32))), rtol=1e-12)


def test_energies_of_varying_compositions_are_recovered():
    one = frames(5)
    water = np.flatnonzero(np.tile(np.arange(9) > 5, 5))
    small = replace(
        one, offsets=np.arange(6) * 3, types=one.types[water], positions=one.positions[water], forces=one.forces[water]
    )
    free = np.array([FREE[name] for name in one.type_names])
    both = concatenate([one, small])
    exact = np.array([free[both.types[both.atoms_of(f)]].sum() for f in range(len(both))])
    # two compositions cannot fix three energies, but what is found must reproduce every frame
    found = mean_energy_per_type(replace(both, energy=exact))
    again = np.array([found[both.types[both.atoms_of(f)]].sum() for f in range(len(both))])
    np.testing.assert_allclose(again, exact, rtol=1e-12)


@pytest.mark.parametrize("size", ["0", "1.5", "-3", "1.0"])
def test_sizes_in_the_configuration(tmp_path, size):
    (tmp_path / "c.yaml").write_text(f"data:\n  file: a.h5\n  train: {size}\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:3: data\.train: .*share between 0 and 1, or a whole number"):
        load_config(tmp_path / "c.yaml")


@pytest.mark.shared
def test_published_splits(tmp_path):
    folder = shared_data("rmd17")
    index = {name: folder / "splits" / f"ethanol_{name}_01.txt" for name in ("train", "test")}
    parts = split_file(folder / "ethanol.extxyz.xz", tmp_path, None, {**NONE, "valid": 50}, index, seed=1)
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 950, "valid": 50, "test": 1000}
