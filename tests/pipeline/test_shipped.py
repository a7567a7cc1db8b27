"""Files that travel with Lampion: found in a checkout and in an installed package, copied out without loss."""

from pathlib import Path

import pytest

from lampion.pipeline import shipped
from lampion.pipeline.shipped import ShippedFileError, copy_inputs, shipped_names, shipped_path, systems

FILES = {
    "lammps_inputs/argon/md.in": "run 10\n",
    "lammps_inputs/argon/data/start.data": "atoms\n",
    "lammps_inputs/water/md.in": "run 20\n",
    "configs/argon.yaml": "seed: 1\n",
    "studies/argon.yaml": "system: argon\n",
    "studies/water/study.yaml": "system: water\n",
}
SOURCE = {"configs": "training/configs", "studies": "pipeline/studies", "lammps_inputs": "lammps_inputs"}


def in_source(name):
    kind, _, rest = name.partition("/")
    return f"{SOURCE[kind]}/{rest}"


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture(params=["checkout", "installed"])
def layout(request, tmp_path, monkeypatch):
    """The same files laid out as in a source checkout and as in site-packages; the module believes it lies there."""
    root = tmp_path / "home of lampion"
    package = root / ("pipeline/lampion/pipeline" if request.param == "checkout" else "site-packages/lampion/pipeline")
    package.mkdir(parents=True)
    monkeypatch.setattr(shipped, "__file__", str(package / "shipped.py"))
    monkeypatch.setattr(shipped.resources, "files", lambda _package: package)
    if request.param == "checkout":
        (root / "pyproject.toml").touch()
        write(root, {in_source(name): text for name, text in FILES.items()})
    else:
        write(package / "shipped", FILES)
    return root


@pytest.mark.usefixtures("layout")
def test_every_file_is_found_under_its_shipped_name():
    for name, text in FILES.items():
        assert shipped_path(name).read_text() == text
    assert systems() == ["argon", "water"]
    entries = {"/".join(name.split("/")[:2]) for name in FILES}
    assert shipped_names() == sorted(entries)


@pytest.mark.usefixtures("layout")
def test_copy_brings_inputs_config_and_study_of_one_system(tmp_path):
    written = copy_inputs("argon", tmp_path / "mine")
    expected = {name: text for name, text in FILES.items() if "argon" in name}
    found = {path.relative_to(tmp_path / "mine").as_posix(): path.read_text() for path in written}
    assert found == expected
    assert {path for path in (tmp_path / "mine").rglob("*") if path.is_file()} == set(written)
    assert len(copy_inputs("water", tmp_path / "other")) == 2


@pytest.mark.usefixtures("layout")
def test_edited_file_is_not_overwritten_without_force(tmp_path):
    copy_inputs("argon", tmp_path)
    copy_inputs("argon", tmp_path)
    edited, removed = tmp_path / "configs/argon.yaml", tmp_path / "lammps_inputs/argon/md.in"
    edited.write_text("seed: 2\n")
    removed.unlink()
    with pytest.raises(ShippedFileError, match=r"argon\.yaml exists and differs.*--force"):
        copy_inputs("argon", tmp_path)
    assert edited.read_text() == "seed: 2\n"
    assert not removed.exists()
    copy_inputs("argon", tmp_path, force=True)
    assert edited.read_text() == "seed: 1\n"
    assert removed.exists()


@pytest.mark.usefixtures("layout")
@pytest.mark.parametrize("name", ["", "argon", "lammps_inputs/", "elsewhere/argon", "configs/argn.yaml"])
def test_unknown_name_lists_what_there_is(name):
    with pytest.raises(
        ShippedFileError, match=r"is not shipped with Lampion.*shipped: configs/argon\.yaml, "
    ) as caught:
        shipped_path(name)
    assert caught.value.exit_code == 2


@pytest.mark.usefixtures("layout")
def test_unknown_system_gets_a_suggestion(tmp_path):
    with pytest.raises(ShippedFileError, match="called 'argn', did you mean 'argon'\\? shipped: argon, water"):
        copy_inputs("argn", tmp_path)
    with pytest.raises(ShippedFileError, match=r"called '\.\./argon'"):
        copy_inputs("../argon", tmp_path)
    assert not (tmp_path / "lammps_inputs").exists()


def test_argon_is_shipped_here():
    """Without any pretence: the package under test, wherever it is."""
    assert "argon" in systems()
    assert Path(shipped_path("lammps_inputs/argon")).is_dir()
