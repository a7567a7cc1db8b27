"""Misuse ends the run, on every rank, with one sentence that says what to write."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import lj
from stock_lmp import Finished, crystal, script

Lmp = Callable[..., Finished]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box of two types, a good model for argon and krypton, and every kind of bad file."""
    tmp_path = tmp_path_factory.mktemp("models")
    crystal(2, n_types=2).write(tmp_path, 1.0)
    good = lj.write_model(lj.argon(2), tmp_path / "good.pt", ("Ar", "Kr"))
    lj.write_model(lj.argon(2), tmp_path / "reduced.pt", ("Ar", "Kr"), units="lj")
    (tmp_path / "page.pt").write_text("<!DOCTYPE html><html><body>Not found</body></html>")
    (tmp_path / "empty.pt").write_bytes(b"")
    content = good.read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: len(content) // 2])
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("notes/notes.txt", "no model")
    torch.jit.save(torch.jit.script(lj.argon(2)), tmp_path / "foreign.pt")
    for name, text in MANIFESTS.items():
        torch.jit.save(torch.jit.script(lj.argon(2)), tmp_path / name, _extra_files={"lampion.json": text})
    lj.write_model(Summed(), tmp_path / "summed.pt", ("Ar", "Kr"))
    lj.write_model(Nothing(), tmp_path / "nan.pt", ("Ar", "Kr"))
    lj.write_model(Crowd(), tmp_path / "crowd.pt", ("Ar", "Kr"))
    return tmp_path


MANIFESTS = {
    "garbled.pt": "{not json",
    "future.pt": '{"format": "lampion/9"}',
    "keyless.pt": '{"format": "lampion/1", "type_names": ["Ar"], "n_layers": 1, "dtype": "float64", "units": "metal"}',
    "negative.pt": '{"format": "lampion/1", "cutoff": -1, "type_names": ["Ar"], "n_layers": 1, '
    '"dtype": "float64", "units": "metal"}',
}


class Summed(torch.nn.Module):
    """Returns one energy for all atoms, against the contract."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:  # noqa: ARG002
        return edge_vectors.sum().reshape(1)


class Nothing(torch.nn.Module):
    """Returns NaN for every atom that has neighbours."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        zero = torch.zeros(types.shape[0], dtype=edge_vectors.dtype)
        return zero.index_add(0, edge_index[0], 0.0 / (0.0 * edge_vectors[:, 0]))


class Crowd(torch.nn.Module):
    """Raises an error of its own as soon as there are neighbours."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:  # noqa: ARG002
        if edge_vectors.shape[0] > 0:
            raise ValueError("this model prefers to be alone")
        return torch.zeros(types.shape[0], dtype=edge_vectors.dtype)


def pair(coeff: str) -> str:
    return f"pair_style lampion\npair_coeff {coeff}"


CASES = {
    "argument": (
        "pair_style lampion fast",
        "pair_style lampion has no keyword 'fast'; its keywords are exchange, precision, device, distance",
    ),
    "no-asterisks": (pair("1 1 good.pt Ar Kr"), "Pair_coeff must start with * * for pair style lampion"),
    "no-file": (pair("* *"), "needs the model file and one name per atom type; write: pair_coeff * * model.pt"),
    "no-names": (pair("* * good.pt"), "pair_coeff names 0 atom types, but the box has 2; give one of Ar, Kr"),
    "too-few-names": (pair("* * good.pt Ar"), "pair_coeff names 1 atom types, but the box has 2"),
    "too-many-names": (pair("* * good.pt Ar Kr Ar"), "pair_coeff names 3 atom types, but the box has 2"),
    "unknown-element": (pair("* * good.pt Ar C"), "not trained for 'C', given in pair_coeff for atom type 2; it knows"),
    "null": (pair("* * good.pt Ar NULL"), "All pair coeffs are not set"),
    "missing": (pair("* * lost.pt Ar Kr"), "Cannot open model file lost.pt: No such file or directory"),
    "html": (pair("* * page.pt Ar Kr"), "page.pt is not a Lampion model file: it is no TorchScript archive"),
    "empty": (pair("* * empty.pt Ar Kr"), "empty.pt is not a Lampion model file: it is no TorchScript archive"),
    "truncated": (pair("* * cut.pt Ar Kr"), "cut.pt is not a Lampion model file: the archive is damaged or incomplete"),
    "zip": (pair("* * zip.pt Ar Kr"), "zip.pt is not a Lampion model file"),
    "foreign": (pair("* * foreign.pt Ar Kr"), "holds no lampion.json, so another program made it; make one with"),
    "garbled": (pair("* * garbled.pt Ar Kr"), "Model file garbled.pt: its lampion.json is no JSON object"),
    "future": (pair("* * future.pt Ar Kr"), "is of format lampion/9, and this Lampion reads lampion/1"),
    "keyless": (pair("* * keyless.pt Ar Kr"), "its lampion.json has no key cutoff; export it anew"),
    "negative": (pair("* * negative.pt Ar Kr"), "has an unusable value for cutoff: -1"),
    "contract": (pair("* * summed.pt Ar Kr"), "node_energies has 1 rows where the model-file contract asks for 2"),
    "nan": (pair("* * nan.pt Ar Kr"), "The model returned an energy or a gradient that is no finite number at step 0"),
    "error-in-the-model": (
        pair("* * crowd.pt Ar Kr"),
        "The model's forward failed: builtins.ValueError: this model prefers to be alone",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_misuse_is_refused_on_all_ranks(lmp: Lmp, folder: Path, case: str) -> None:
    lines, sentence = CASES[case]
    done = lmp(script(lines), ranks=2, good=False, folder=folder)
    assert sentence in " ".join(done.output.split())


def test_newton_off_is_refused(lmp: Lmp, folder: Path) -> None:
    done = lmp("newton off\n" + script(pair("* * good.pt Ar Kr")), good=False, folder=folder)
    assert "write: newton on" in done.output


@pytest.mark.parametrize(
    ("model", "units", "sentence"),
    [
        ("good.pt", "lj", "the model is in eV and Angstrom, but the run has units lj"),
        ("reduced.pt", "metal", "the model is in reduced units (lj), but the run has units metal; write: units lj"),
    ],
)
def test_units_that_cannot_be_converted_are_refused(
    lmp: Lmp, folder: Path, model: str, units: str, sentence: str
) -> None:
    done = lmp(script(pair(f"* * {model} Ar Kr"), units), good=False, folder=folder)
    assert sentence in done.output


def test_good_model_is_accepted(lmp: Lmp, folder: Path) -> None:
    done = lmp(script(pair("* * good.pt Ar Kr")), folder=folder)
    assert "Lampion model good.pt (fingerprint " in done.output
    assert (folder / "dump").exists()


def test_bonds_that_hide_neighbours_are_refused(lmp: Lmp, folder: Path) -> None:
    coeff = pair(f"* * {folder}/good.pt Ar Kr")
    text = f"""
atom_style bond
region all block 0 12 0 12 0 12
create_box 2 all bond/types 1 extra/bond/per/atom 1 extra/special/per/atom 1
create_atoms 1 single 3 3 3
create_atoms 2 single 6 3 3
mass * 40
bond_style zero
bond_coeff *
create_bonds single/bond 1 1 2
{coeff}
"""
    assert "write: special_bonds lj/coul 1.0 1.0 1.0" in lmp("units metal" + text + "run 0", good=False).output
    lmp("units metal" + text + "special_bonds lj/coul 1.0 1.0 1.0\nrun 0")
