"""The command: what a user types, sees and gets; every mistake ends in one sentence and its exit code."""

import json
import shutil
from pathlib import Path

import pytest

import argon
import lj
from lampion.pipeline.lmp.runner import run_lammps
from lampion.training.data.hdf5 import read_hdf5, write_hdf5

RUN = """
units {units}
lattice fcc {a}
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 39.948
pair_style {pair}
pair_coeff {coeff}
velocity all create 60 42
fix 1 all nve
thermo_style custom step temp pe ke etotal press
thermo_modify format float %.17g
thermo 5
dump 1 all custom 5 a.dump id type element x y z ix iy iz vx vy vz fx fy fz
dump_modify 1 element Ar sort id format float %.17g
run 100
"""
REFERENCE = RUN.format(units="real", a=5.4, pair="lj/smooth 4.0 5.0", coeff="1 1 0.2378 3.405")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    """A finished reference run."""
    folder = tmp_path_factory.mktemp("reference")
    (folder / "in.lmp").write_text(REFERENCE)
    assert run_lammps(folder / "in.lmp", folder=folder / "run").ending.ok
    return folder / "run"


@pytest.fixture
def damaged(labelled, tmp_path):
    """A copy of the run whose dump a function has changed."""

    def damage(change) -> Path:
        folder = tmp_path / "damaged"
        shutil.copytree(labelled, folder)
        dump = folder / "a.dump"
        dump.write_text(change(dump.read_text()))
        return dump

    return damage


def replace_word(text: str, line: int, column: int, word: str) -> str:
    lines = text.splitlines(keepends=True)
    words = lines[line].split()
    words[column] = word
    lines[line] = " ".join(words) + "\n"
    return "".join(lines)


BAD_DUMPS = {
    "truncated": (lambda t: t[: len(t) // 2], "killed"),
    "nan force": (lambda t: replace_word(t, 20, 12, "nan"), "frame 0 (step 0), atom"),
    "wrong columns": (lambda t: t.replace(" fx fy fz", " ax ay az"), "columns fx fy fz are missing"),
    "duplicate ids": (lambda t: replace_word(t, 20, 0, "1"), "atom id 1 appears 2 times"),
    "mixed atom counts": (
        lambda t: (
            t[: t.rindex("ITEM: TIMESTEP")]
            + t[t.rindex("ITEM: TIMESTEP") :].replace("\n32\n", "\n31\n", 1).rsplit("\n", 2)[0]
            + "\n"
        ),
        "31 atoms where the frames before have 32",
    ),
    "six digits": (lambda t: t.replace("fx fy fz\n", "fx fy fz\n") and _short(t), "digits"),
}


def _short(text: str) -> str:
    return (
        "\n".join(
            " ".join(f"{float(w):.6g}" if "." in w else w for w in line.split())
            if not line.startswith("ITEM")
            else line
            for line in text.splitlines()
        )
        + "\n"
    )


@pytest.mark.parametrize(("change", "message"), BAD_DUMPS.values(), ids=list(BAD_DUMPS))
def test_bad_dump(lampion, damaged, tmp_path, change, message):
    dump = damaged(change)
    outcome = lampion("data", "convert", dump, "-o", tmp_path / "frames.h5")
    assert outcome.code == 3
    assert message in outcome.err
    assert str(dump) in outcome.err
    assert outcome.err.count("\n") == 1, outcome.err
    assert not (tmp_path / "frames.h5").exists()


def test_kcal_labels_declared_as_ev(lampion, labelled):
    outcome = lampion("data", "check", labelled / "a.dump", "--units", "metal")
    assert outcome.code == 3
    assert "`units real`, but the labels are declared as `units metal`" in outcome.err


def test_convert_names_what_it_wrote_and_does_not_overwrite(lampion, labelled, tmp_path):
    target = tmp_path / "frames.extxyz"
    outcome = lampion("data", "convert", labelled / "a.dump", "-o", target)
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == str(target)
    before = target.read_bytes()
    assert lampion("data", "convert", labelled / "a.dump", "-o", target).code == 2
    assert target.read_bytes() == before
    assert json.loads(lampion("data", "info", target, "--json").out)["n_frames"] == 21


def test_generate_leaves_checked_frames(lampion, labelled, tmp_path):
    out = tmp_path / "reference"
    outcome = lampion("generate", labelled.parent / "in.lmp", "-o", out)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == str(out / "frames.h5")
    assert len(read_hdf5(out / "frames.h5")) == 21


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 2\nmodle: {}\ndata: {file: x.h5}\n", "c.yaml:2: modle: unknown key. Did you mean model?"),
        ("data: {file: none.h5}\n", "none.h5: no such file"),
    ],
)
def test_bad_training_config(lampion, tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    outcome = lampion("train", tmp_path / "c.yaml", "-o", tmp_path / "train")
    assert outcome.code in (2, 3)
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "train").exists()


def test_train_export_evaluate_info(lampion, tmp_path):
    write_hdf5(argon.crystal_frames(20), tmp_path / "frames.h5")
    config = argon.write_config(tmp_path)
    dry = lampion("train", config, "--dry-run")
    assert "16 frames to train on, 2 to validate, 2 to test" in dry.out
    assert lampion("train", config, "-o", tmp_path / "train").code == 0
    again = lampion("train", config, "-o", tmp_path / "train")
    assert again.code == 3
    assert "--restart auto" in again.err
    model = tmp_path / "model.pt"
    assert lampion("export", tmp_path / "train" / "best.ckpt", "-o", model).out.splitlines()[-1] == str(model)
    assert lampion("export", tmp_path / "train" / "best.ckpt", "-o", model).code == 2
    errors = json.loads(lampion("evaluate", model, tmp_path / "train" / "test.h5", "--json").out)
    assert errors["forces"]["mae_meV_per_A"] > 0
    assert json.loads(lampion("info", model, "--json").out)["type_names"] == ["Ar"]


BAD_RUNS = {
    "other element": ("* * {model} Ne", "metal", "not trained for 'Ne'"),
    "too few names": ("* * {model}", "metal", "names 0 atom types, but the box has 1"),
    "corrupt model": ("* * {corrupt} Ar", "metal", "is not a Lampion model file"),
    "foreign model": ("* * {foreign} Ar", "metal", "is not a Lampion model file"),
    "units": ("* * {model} Ar", "lj", "units lj"),
}


@pytest.mark.parametrize(("coeff", "units", "message"), BAD_RUNS.values(), ids=list(BAD_RUNS))
def test_bad_run_ends_with_the_sentence_of_the_pair_style(lampion, tmp_path, coeff, units, message):
    model = tmp_path / "model.pt"
    lj.write_model(lj.argon(), model)
    (tmp_path / "corrupt.pt").write_bytes(model.read_bytes()[:300])
    (tmp_path / "foreign.pt").write_text("<html>not found</html>")
    names = {"model": model, "corrupt": tmp_path / "corrupt.pt", "foreign": tmp_path / "foreign.pt"}
    script = tmp_path / "in.lmp"
    script.write_text(
        RUN.format(units=units, a=5.4 if units != "lj" else 0.8, pair="lampion", coeff=coeff.format(**names))
    )
    outcome = lampion("run", script, "-o", tmp_path / "run")
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["ending"]["kind"] == "error"


def test_run_and_analyze(lampion, labelled, tmp_path):
    run = tmp_path / "run"
    outcome = lampion("run", labelled.parent / "in.lmp", "-o", run)
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == str(run / "run.json")
    assert lampion("run", labelled.parent / "in.lmp", "-o", run).code == 2
    verdict = lampion("analyze", run)
    assert verdict.code == 0, verdict.err
    assert verdict.out.splitlines()[-1] == str(run / "report.html")
    assert (run / "analysis.json").exists()
    assert json.loads(lampion("analyze", run, "--json").out)["drift_meV_per_atom_per_ps"]["learned"]


def test_inputs_are_copied_and_named(lampion, tmp_path):
    outcome = lampion("inputs", "argon", "-o", tmp_path)
    assert outcome.code == 0
    assert (tmp_path / "lammps_inputs" / "argon" / "reference.in").exists()
    assert (tmp_path / "configs" / "argon.yaml").exists()
    assert "argon" in lampion("inputs").out
    wrong = lampion("inputs", "argno")
    assert wrong.code == 2
    assert "argon" in wrong.err


def test_unknown_study_and_option(lampion):
    assert lampion("study", "argno").code == 2
    assert lampion("train", "--nonsense").code == 2
    assert lampion("run", "none.in").code == 2


def test_doctor_finds_nothing_wrong_here(lampion):
    outcome = lampion("doctor")
    assert outcome.code == 0, outcome.out
    assert "FAIL" not in outcome.out


def test_ctrl_c_is_130(lampion, monkeypatch):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("lampion.pipeline.shipped.systems", interrupt)
    assert lampion("inputs").code == 130
