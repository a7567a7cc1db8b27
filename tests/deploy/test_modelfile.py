"""Model files: what is written is what is read, and nothing else passes for one."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

import lj
from lampion.deploy.modelfile import Manifest, ModelFileError, load_model, read_manifest, save_model

GOOD: dict[str, Any] = {"cutoff": 5.0, "type_names": ("C", "H"), "n_layers": 2, "dtype": "float32", "units": "metal"}


def scripted() -> torch.jit.ScriptModule:
    return torch.jit.script(lj.argon())


def test_manifest_survives_the_file(tmp_path: Path) -> None:
    manifest = Manifest(
        **GOOD, versions={"torch": "2.13.0"}, training={"shortest": {"C-H": 0.98}}, references=("@article{a}",)
    )
    save_model(scripted(), manifest, tmp_path / "model.pt")
    assert read_manifest(tmp_path / "model.pt") == manifest
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt"]


def test_loaded_module_gives_the_same_energies(tmp_path: Path) -> None:
    path = lj.write_model(lj.argon(), tmp_path / "model.pt")
    module, manifest = load_model(path)
    types, edges = torch.zeros(2, dtype=torch.long), torch.tensor([[0, 1], [1, 0]])
    vectors = torch.tensor([[3.8, 0.1, 0], [-3.8, -0.1, 0]], dtype=torch.float64)
    assert manifest.type_names == ("Ar",)
    assert torch.equal(module(types, edges, vectors), lj.argon()(types, edges, vectors))


def test_keys_of_later_versions_are_ignored() -> None:
    assert Manifest.from_json(json.dumps({**GOOD, "format": "lampion/1", "colour": "warm"})) == Manifest(**GOOD)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("cutoff", 0.0, "cutoff must be a number larger than 0, received 0.0"),
        ("cutoff", float("nan"), "cutoff must be a number larger than 0, received nan"),
        ("cutoff", "5", "cutoff must be a number larger than 0, received '5'"),
        ("type_names", (), "type_names must be distinct, non-empty names"),
        ("type_names", ("C", "C"), "type_names must be distinct, non-empty names"),
        ("n_layers", 0, "n_layers must be a whole number of at least 1, received 0"),
        ("n_layers", True, "n_layers must be a whole number of at least 1, received True"),
        ("dtype", "float16", "dtype must be float32 or float64, received 'float16'"),
        ("conservative", "no", "conservative must be true or false, received 'no'"),
        ("units", "real", "units must be metal or lj, received 'real'"),
        ("format", "lampion/2", "format must be lampion/1, received 'lampion/2'"),
    ],
)
def test_manifest_that_cannot_be_right_is_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        Manifest(**{**GOOD, key: value})


@pytest.mark.parametrize("key", ["format", *GOOD])
def test_missing_key_is_named(key: str) -> None:
    entries = {**GOOD, "format": "lampion/1"}
    del entries[key]
    with pytest.raises(ModelFileError, match=f"lampion.json has no key {key}"):
        Manifest.from_json(json.dumps(entries))


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[1]", "must be a JSON object, received list")])
def test_text_that_is_no_manifest_is_refused(text: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        Manifest.from_json(text)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with pytest.raises(ModelFileError, match=r"cannot open model file .*model\.pt: No such file"):
        read_manifest(path)
    path.write_text("<!DOCTYPE html>")
    with pytest.raises(ModelFileError, match=r"is not a Lampion model file: it is no complete archive .*`lampion"):
        read_manifest(path)
    torch.jit.save(scripted(), path)
    with pytest.raises(ModelFileError, match=r"the archive holds no lampion\.json, so another program made it"):
        load_model(path)
    torch.jit.save(scripted(), path, _extra_files={"lampion.json": '{"format": "lampion/1"}'})
    with pytest.raises(ModelFileError, match=r"model\.pt: lampion\.json has no key cutoff, .*export it anew"):
        read_manifest(path)


def test_archive_with_a_manifest_but_no_program_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("model/extra/lampion.json", Manifest(**GOOD).to_json())
    with pytest.raises(ModelFileError, match=r"model\.pt cannot be loaded by torch"):
        load_model(tmp_path / "model.pt")


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = lj.write_model(lj.argon(), tmp_path / "model.pt")
    before = path.read_bytes()
    with pytest.raises(AttributeError, match="no attribute 'save_to_buffer'"):
        save_model("no module", Manifest(**GOOD), path)  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_is_made_and_one_that_cannot_be_is_named(tmp_path: Path) -> None:
    save_model(scripted(), Manifest(**GOOD), tmp_path / "new" / "model.pt")
    assert read_manifest(tmp_path / "new" / "model.pt").cutoff == GOOD["cutoff"]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelFileError, match=r"cannot write model file .*: (Not a directory|File exists)"):
        save_model(scripted(), Manifest(**GOOD), tmp_path / "file" / "model.pt")


def test_reading_a_manifest_imports_no_torch(tmp_path: Path) -> None:
    path = lj.write_model(lj.argon(), tmp_path / "model.pt")
    code = f"import sys; sys.path[:0] = {sys.path!r}; from lampion.deploy.modelfile import read_manifest; "
    code += f"print(read_manifest({str(path)!r}).cutoff, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["8.5", "False"]
