"""Misuse ends the run, on every rank, with one sentence that says what to write."""

import json
import os
import struct
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
    for part in (4, 30, len(content) // 4, len(content) // 2, len(content) - 1):
        (tmp_path / f"cut{part if part < 100 else round(100 * part / len(content))}.pt").write_bytes(content[:part])
    places = {"manifest": content.index(b'"cutoff"'), "directory": len(content) - 20}
    places["weights"] = content.index(struct.pack("<d", float(lj.argon(2).epsilon[0, 0])))
    for name, where in places.items():
        (tmp_path / f"flipped-{name}.pt").write_bytes(flipped(content, where))
    (tmp_path / "folder.pt").mkdir()
    os.mkfifo(tmp_path / "pipe.pt")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("notes/notes.txt", "no model")
    torch.jit.save(torch.jit.script(lj.argon(2)), tmp_path / "foreign.pt")
    for name, text in MANIFESTS.items():
        torch.jit.save(torch.jit.script(lj.argon(2)), tmp_path / f"{name}.pt", _extra_files={"lampion.json": text})
    lj.write_model(lj.LayeredDensity(5.0, 2), tmp_path / "layered.pt", ("Ar", "Kr"), 5.0, 3)
    for name, module in MODULES.items():
        lj.write_model(module, tmp_path / f"{name}.pt", ("Ar", "Kr"))
    return tmp_path


def flipped(content: bytes, where: int) -> bytes:
    return content[:where] + bytes([content[where] ^ 0xFF]) + content[where + 1 :]


def manifest(**changes: object) -> str:
    """`lampion.json` of the good model with some values changed, or left out if they are None."""
    good = {"format": "lampion/1", "cutoff": 8.5, "type_names": ["Ar", "Kr"], "n_layers": 1, "dtype": "float64"}
    entries = good | {"units": "metal"} | changes
    return json.dumps({key: value for key, value in entries.items() if value is not None})


MANIFESTS = {
    "garbled": "{not json",
    "list": "[1, 2]",
    "future": manifest(format="lampion/9"),
    "numbered": manifest(format=1),
    "keyless": manifest(cutoff=None),
    "formatless": manifest(format=None),
    "unitless": manifest(units=None),
    "negative": manifest(cutoff=-1),
    "zero": manifest(cutoff=0),
    "text-cutoff": manifest(cutoff="8.5"),
    "huge": manifest().replace("8.5", "1e999"),
    "half": manifest(dtype="float16"),
    "furlong": manifest(units="real"),
    "nameless": manifest(type_names=[]),
    "twins": manifest(type_names=["Ar", "Ar"]),
    "shallow": manifest(n_layers=0),
    "distances": manifest(training={"shortest_distance": {"Ar-Ar": "near"}}),
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


class Doubled(torch.nn.Module):
    """Returns energies of another dtype than asked for."""

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:  # noqa: ARG002
        return torch.zeros(types.shape[0], dtype=torch.float64)


class Unsigned(torch.nn.Module):
    """Takes one argument where the contract has three."""

    def forward(self, types: Tensor) -> Tensor:
        return types.double()


MODULES = {"summed": Summed(), "nan": Nothing(), "crowd": Crowd(), "doubled": Doubled(), "unsigned": Unsigned()}


def pair(coeff: str, keywords: str = "") -> str:
    return f"pair_style lampion {keywords}\npair_coeff {coeff}"


def of(name: str, keywords: str = "") -> str:
    return pair(f"* * {name}.pt Ar Kr", keywords)


DAMAGED = "is not a Lampion model file: the archive is damaged or incomplete"
MANIFEST = "its lampion.json has an unusable value for "
CASES = {
    "argument": (
        "pair_style lampion fast",
        "pair_style lampion has no keyword 'fast'; its keywords are exchange, precision, device, distance",
    ),
    "typo": ("pair_style lampion exchnage auto", "no keyword 'exchnage'; its keywords are exchange,"),
    "file-in-the-style": ("pair_style lampion good.pt", "the model file belongs to pair_coeff: pair_coeff * *"),
    "exchange-value": ("pair_style lampion exchange yes", "exchange cannot be 'yes'; write one of auto, layer, ghost"),
    "precision-value": ("pair_style lampion precision double", "'double'; write one of model, float32, float64"),
    "distance-value": ("pair_style lampion distance 2.0", "'2.0'; write one of count, stop, off"),
    "device-value": ("pair_style lampion device gpu", "device cannot be 'gpu'; write one of cpu, cuda, cuda:N"),
    "device-number": ("pair_style lampion device cuda:-1", "device cannot be 'cuda:-1'"),
    "device-placeholder": ("pair_style lampion device cuda:N", "device cannot be 'cuda:N'"),
    "no-value": ("pair_style lampion device", "keyword device needs a value: one of cpu, cuda, cuda:N"),
    "cuda": (of("good", "device cuda"), "device cuda was asked for, but torch 2.13.0 found no CUDA device; write:"),
    "cuda-number": (of("good", "device cuda:3"), "device cuda:3 was asked for, but torch 2.13.0 found no CUDA device"),
    "not-layered": (of("good", "exchange layer"), "has no embed and layer, so it cannot be evaluated by layers; write"),
    "distance-unknown": (of("good", "distance stop"), "does not tell the shortest distances of its training data"),
    "stubborn-dtype": (of("doubled", "precision float32"), "is of dtype Double where Float is asked for by"),
    "no-asterisks": (pair("1 1 good.pt Ar Kr"), "Pair_coeff must start with * * for pair style lampion"),
    "no-file": (pair("* *"), "needs the model file and one name per atom type; write: pair_coeff * * model.pt"),
    "no-names": (pair("* * good.pt"), "pair_coeff names 0 atom types, but the box has 2; give one of Ar, Kr"),
    "too-few-names": (pair("* * good.pt Ar"), "pair_coeff names 1 atom types, but the box has 2"),
    "too-many-names": (pair("* * good.pt Ar Kr Ar"), "pair_coeff names 3 atom types, but the box has 2"),
    "unknown-element": (pair("* * good.pt Ar C"), "not trained for 'C', given in pair_coeff for atom type 2; it knows"),
    "lower-case": (pair("* * good.pt Ar kr"), "not trained for 'kr', given in pair_coeff for atom type 2; it knows"),
    "null": (pair("* * good.pt Ar NULL"), "All pair coeffs are not set"),
    "missing": (of("lost"), "Cannot open model file lost.pt: No such file or directory"),
    "folder": (of("folder"), "folder.pt is not a Lampion model file: it is a folder; make one with"),
    "pipe": (of("pipe"), "pipe.pt is not a Lampion model file: it is a pipe; make one with"),
    "html": (of("page"), "page.pt is not a Lampion model file: it is no TorchScript archive"),
    "empty": (of("empty"), "empty.pt is not a Lampion model file: it is no TorchScript archive"),
    "four-bytes": (of("cut4"), f"cut4.pt {DAMAGED}"),
    "thirty-bytes": (of("cut30"), f"cut30.pt {DAMAGED}"),
    "quarter": (of("cut25"), f"cut25.pt {DAMAGED}"),
    "truncated": (of("cut50"), f"cut50.pt {DAMAGED} (was a copy or a download cut short?); make one with"),
    "last-byte": (of("cut100"), f"cut100.pt {DAMAGED}"),
    "flipped-directory": (of("flipped-directory"), f"flipped-directory.pt {DAMAGED}"),
    "flipped-manifest": (of("flipped-manifest"), f"flipped-manifest.pt {DAMAGED}"),
    "flipped-weights": (of("flipped-weights"), f"flipped-weights.pt {DAMAGED}"),
    "zip": (of("zip"), "zip.pt is not a Lampion model file"),
    "foreign": (of("foreign"), "holds no lampion.json, so another program made it; make one with"),
    "garbled": (of("garbled"), "Model file garbled.pt: its lampion.json is no JSON object"),
    "list": (of("list"), "Model file list.pt: its lampion.json is no JSON object; export it anew"),
    "future": (of("future"), "is of format lampion/9, and this Lampion reads lampion/1"),
    "numbered": (of("numbered"), MANIFEST + "format: 1"),
    "keyless": (of("keyless"), "its lampion.json has no key cutoff; export it anew"),
    "formatless": (of("formatless"), "its lampion.json has no key format; export it anew"),
    "unitless": (of("unitless"), "its lampion.json has no key units; export it anew"),
    "negative": (of("negative"), MANIFEST + "cutoff: -1"),
    "zero": (of("zero"), MANIFEST + "cutoff: 0"),
    "text-cutoff": (of("text-cutoff"), MANIFEST + 'cutoff: "8.5"'),
    "huge": (of("huge"), "Model file huge.pt: its lampion.json is no JSON object"),
    "half": (of("half"), MANIFEST + 'dtype: "float16"'),
    "furlong": (of("furlong"), MANIFEST + 'units: "real"'),
    "nameless": (of("nameless"), MANIFEST + "type_names: []"),
    "twins": (of("twins"), MANIFEST + 'type_names: ["Ar","Ar"]'),
    "shallow": (of("shallow"), MANIFEST + "n_layers: 0"),
    "distances": (of("distances"), MANIFEST + "shortest_distance: "),
    "contract": (of("summed"), "node_energies has 1 rows where the model-file contract asks for 2"),
    "signature": (of("unsigned"), "Model file unsigned.pt cannot be used: The model's forward failed"),
    "nan": (of("nan"), "The model returned an energy or a gradient that is no finite number at step 0"),
    "error-in-the-model": (
        of("crowd"),
        "The model's forward failed: builtins.ValueError: this model prefers to be alone",
    ),
    "lj-units": (of("reduced"), "the model is in reduced units (lj), but the run has units metal; write: units lj"),
    "heat-flux": (
        of("good") + "\ncompute k all ke/atom\ncompute p all pe/atom\ncompute v all stress/atom NULL virial\n"
        "compute j all heat/flux k p v",
        "compute heat/flux with pair_style lampion needs the virials of compute centroid/stress/atom",
    ),
    "centroid-by-layers": (
        of("layered", "exchange layer") + "\ncompute v all centroid/stress/atom NULL",
        "compute centroid/stress/atom with a model of 3 layers is computed on the ghost shell; write: exchange auto",
    ),
    "group-group": (of("good") + "\ncompute g all group/group all", "Pair style does not support compute group/group"),
    "respa": (
        of("good") + "\nrun_style respa 2 2 inner 1 4 5 outer 2",
        "Pair style does not support rRESPA inner/middle/outer",
    ),
    "options-without-coeffs": (of("good") + "\npair_style lampion distance off", "All pair coeffs are not set"),
    "style-alone": ("pair_style lampion\ninfo memory", "All pair coeffs are not set"),
    "hybrid-without-coeffs": (
        "pair_style hybrid lampion lj/cut 8\npair_coeff * * lj/cut 0.01 3.4",
        "Pair hybrid sub-style lampion is not used",
    ),
    "pair-write": (of("good") + "\npair_write 1 1 9 r 2 8 table x", "lampion does not support pair_write"),
    "pair-local": (
        of("good") + "\ncompute c all pair/local eng\ndump 2 all local 1 pairs c_c",
        "Pair style does not support compute pair/local",
    ),
    "restart": (
        of("good") + "\nwrite_restart box.restart\nclear\nread_restart box.restart\nrun 0",
        "Must re-specify non-restarted pair style (lampion) after read_restart",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_misuse_is_refused_on_every_number_of_ranks(lmp: Lmp, folder: Path, case: str) -> None:
    lines, sentence = CASES[case]
    for ranks in (1, 2):
        done = lmp(script(lines), ranks, good=False, folder=folder)
        assert done.code == 1, "ended by a signal"
        assert "ERROR: " in done.output
        assert sentence in " ".join(done.output.split())


def test_newton_off_is_refused(lmp: Lmp, folder: Path) -> None:
    done = lmp("newton off\n" + script(pair("* * good.pt Ar Kr")), good=False, folder=folder)
    assert "write: newton on" in done.output


@pytest.mark.parametrize(
    ("model", "units", "sentence"),
    [
        ("good.pt", "lj", "the model is in eV and Angstrom, but the run has units lj"),
        ("reduced.pt", "real", "the model is in reduced units (lj), but the run has units real; write: units lj"),
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
