"""A folder of watched replicas judged as a whole: every removal typed, censoring right, damaged files refused."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import planted
from lampion.analysis import RunError
from lampion.analysis.stability import PRESETS, Cause, judge
from lampion.analysis.stability.model import JudgedModel
from lampion.analysis.stability.records import read_failures, read_record
from lampion.analysis.stability.report import write_stability_report
from lampion.analysis.stability.trajectory import read_trajectories
from planted import H_OF_O, OXYGEN


def cut(n: int, **settings) -> planted.Series:
    """Samples of a replica that was taken out after n of them."""
    series = planted.state(1000, **settings)
    return planted.Series(*(getattr(series, name)[:n] for name in ("time", "energy", "temperature", "force")))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty replicas of ethanol for 20 ps: five are taken out, one drifts."""
    folder = tmp_path_factory.mktemp("original")
    replicas = {r: planted.state(1000, seed=r) for r in range(7, 21)}
    replicas |= {r: cut(50 * r, seed=r) for r in range(1, 6)} | {6: planted.state(1000, slope=0.01)}
    rows = [
        "1 1005 1055 bonds 3 4 1.71",
        "2 2000 2000 nonfinite 0 0 nan",
        "3 3010 3010 force 5 0 141.5",
        "4 4004 4004 distance 4 5 0.29",
        "5 5003 5003 lost 7 0 0",
    ]
    planted.write_run(folder, replicas, rows)
    pulled = planted.ethanol(100)
    pulled.positions[40:, H_OF_O] += [0, 0, 3.0]
    planted.write_dump(folder / "kept.1.dump", {1: pulled}, first=965)
    entering = planted.ethanol(100)
    entering.positions[80:, 8] = entering.positions[80:, OXYGEN] + [0.3, 0.5, 0.75]
    entering.positions[95:] = np.nan
    planted.write_dump(folder / "kept.2.dump", {1: entering}, first=1905)
    return folder


@pytest.fixture
def study(original: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_every_replica_has_its_first_failure(study: Path):
    found = judge(study, dropped=3)
    by_replica = {row["replica"]: row for row in found.figures["times"]}
    assert [by_replica[r]["cause"] for r in range(1, 7)] == [
        Cause.HYDROGEN_LOSS, Cause.EXPLOSION, Cause.EXPLOSION, Cause.COLLISION, Cause.LOST, Cause.DRIFT,
    ]  # fmt: skip
    times = [by_replica[r]["time_ps"] for r in range(1, 6)]
    assert times == pytest.approx([1.005, 2.0, 3.010, 4.004, 5.003])
    assert by_replica[6]["time_ps"] == pytest.approx(9.5, abs=1.1)
    assert all(by_replica[r]["cause"] is None for r in range(7, 21))
    assert by_replica[2]["precursor"] == Cause.PROTON_TRANSFER
    assert "precursor" not in by_replica[3]


def test_the_figures_of_the_study(study: Path):
    figures = judge(study, dropped=3).as_dict()
    assert (figures["replicas"], figures["dropped"], figures["failures"]) == (20, 3, 6)
    assert figures["failure_probability"]["text"] == "30.0 % (95 %: 11.9 to 54.3 %)"
    assert figures["causes"]["explosion"] == 2
    assert sum(figures["causes"].values()) == 6
    assert figures["horizon_ps"] == pytest.approx(19.98)
    assert figures["median_time_ps"] is None
    assert 14.0 < figures["restricted_mean_time_ps"]["value"] < 19.98
    assert figures["survival"]["value"][-1] == pytest.approx(0.7)
    # All that ran to the end, the one that drifted by 10/9 meV/atom/ps among them
    assert figures["n_replicas"] == 15
    assert figures["drift"]["range"][1] == pytest.approx(10.0 / 9.0, rel=0.02)
    assert figures["drift"]["low"] < 0.0 < figures["drift"]["high"]
    assert [scene["cause"] for scene in figures["scenes"]] == [Cause.HYDROGEN_LOSS, Cause.EXPLOSION]
    assert [trace["replica"] for trace in figures["traces"]["failed"]] == [1, 2, 3]
    json.dumps(figures, allow_nan=False)


def test_a_thermostat_switches_the_drift_off(study: Path):
    assert judge(study, PRESETS["lampion"].with_thermostat()).as_dict()["failures"] == 5


def test_without_kept_frames_the_pair_alone_tells_the_cause(study: Path):
    (study / "kept.1.dump").unlink()
    assert judge(study).figures["times"][0]["cause"] == Cause.HYDROGEN_LOSS
    rows = ["1 1005 1055 bonds 1 2 2.6", "2 900 960 bonds 3 9 1.0", "3 800 850 bonds 1 3 1.1", "4 1 51 bonds 4 5 0.6"]
    planted.write_run(study, {r: cut(60, seed=r) for r in range(1, 5)}, rows)
    causes = [row["cause"] for row in judge(study).figures["times"]]
    assert causes == [Cause.CLEAVAGE, Cause.HYDROGEN_ENTRY, Cause.MERGING, Cause.MERGING]


def test_the_graph_before_is_that_of_the_kept_frames_before(tmp_path: Path):
    """A run that begins at step 5000; a hydrogen goes from oxygen to the far carbon early in its frames."""
    planted.write_run(tmp_path, {1: cut(20), 2: planted.state(100)}, ["1 400 450 bonds 3 4 2.4"])
    moving = planted.ethanol(60)
    moving.positions[5:, H_OF_O] = moving.positions[5:, planted.C2] + [-0.8, 0.8, 0.0]
    planted.write_dump(tmp_path / "kept.1.dump", {1: moving}, first=395)
    for file, step in (
        ("record.txt", r"(?m)^\d+(?= )"),
        ("failed.txt", r"\b400\b|\b450\b"),
        ("kept.1.dump", r"(?<=TIMESTEP\n)\d+"),
    ):
        text = (tmp_path / file).read_text()
        (tmp_path / file).write_text(re.sub(step, lambda found: str(int(found[0]) + 5000), text))
    (row, _) = judge(tmp_path).figures["times"]
    assert (row["cause"], row["time_ps"]) == (Cause.PROTON_TRANSFER, pytest.approx(0.400))
    assert read_record(tmp_path / "record.txt").replicas[2].time[[0, -1]] == pytest.approx([0.0, 1.98])
    (scene,) = judge(tmp_path).figures["scenes"]
    assert [frame["time_ps"] for frame in scene["frames"]] == pytest.approx([0.395, 0.400, 0.454])


def test_a_replica_of_which_no_frame_is_whole_has_an_empty_dump(study: Path):
    (study / "kept.5.dump").write_text("")
    assert judge(study).causes[4] is Cause.LOST


def test_a_hundred_that_hold(tmp_path: Path):
    planted.write_run(tmp_path, {r: cut(200, seed=r) for r in range(1, 101)})
    figures = judge(tmp_path).as_dict()
    assert (figures["failures"], figures["causes"]) == (0, {})
    assert figures["failure_probability"]["text"] == "below 3.6 % (95 %)"
    assert figures["incidence"] == {}


def test_a_replica_that_vanishes_without_a_word_has_failed(tmp_path: Path):
    planted.write_run(tmp_path, {1: planted.state(100), 2: cut(40), 3: cut(99)})
    found = judge(tmp_path)
    # The third lacks only the very last sample, as a run killed while writing leaves it.
    assert found.causes == (None, Cause.UNKNOWN, None)
    assert found.times[1] == pytest.approx(0.80)


def test_units_real_are_converted(tmp_path: Path):
    planted.write_run(tmp_path, {1: planted.state(100), 2: cut(50)}, ["2 1000 1000 force 1 0 4612.12"])
    before = read_record(tmp_path / "record.txt")
    for path in tmp_path.glob("*.txt"):
        path.write_text(path.read_text().replace("metal", "real").replace("timestep 0.001", "timestep 1.0"))
    after = read_record(tmp_path / "record.txt")
    assert after.end == pytest.approx(before.end)
    assert 23.0605 * after.replicas[1].energy == pytest.approx(before.replicas[1].energy, rel=1e-5)
    assert read_failures(tmp_path / "failed.txt")[0].value == pytest.approx(200.0, rel=1e-5)


def test_a_definition_about_positions_needs_them(study: Path):
    with pytest.raises(RunError, match=r"definition mdsim is about positions; write them with `dump d all custom"):
        judge(study, PRESETS["mdsim"])
    steady = {r: planted.ethanol(200, step=0.02, seed=r) for r in range(1, 21)}
    steady[9].positions[100:, H_OF_O] += [0, 0, 2.0]
    planted.write_dump(study / "trajectory.dump", steady)
    rows = judge(study, PRESETS["mdsim"]).figures["times"]
    assert [row["replica"] for row in rows if row["cause"]] == [1, 2, 3, 4, 5, 9]
    assert (rows[8]["cause"], rows[8]["time_ps"]) == (Cause.BOND_LENGTH, pytest.approx(2.0))


def test_a_resumed_run_goes_on_from_the_first_step_of_its_next_file(tmp_path: Path):
    planted.write_run(tmp_path, {1: planted.state(10)})
    header = read_record(tmp_path / "record.txt").header
    before, after = planted.ethanol(40, seed=1), planted.ethanol(30, seed=2)
    planted.write_dump(tmp_path / "trajectory-0.dump", {1: before})
    resumed = round(before.time[25] / planted.FS)
    planted.write_dump(tmp_path / "trajectory-1.dump", {1: after}, first=resumed)
    (found,) = read_trajectories(sorted(tmp_path.glob("trajectory*.dump"), reverse=True), header).values()
    assert found.positions == pytest.approx(np.concatenate([before.positions[:25], after.positions]), abs=1e-7)
    assert (np.diff(found.time) > 0).all()


def test_distances_are_those_to_the_nearest_image(tmp_path: Path):
    """A molecule cut by a periodic boundary is whole; by a boundary that is not periodic it is broken."""
    planted.write_run(tmp_path, {1: planted.state(10)})
    header = read_record(tmp_path / "record.txt").header
    cut = planted.ethanol(5)
    cut.positions[:, 3:, 2] += 50.0
    planted.write_dump(tmp_path / "d", {1: cut})
    (found,) = read_trajectories([tmp_path / "d"], header).values()
    every = np.array(np.triu_indices(9, 1))
    whole = planted.ethanol(5).distances(*every)
    assert found.distances(*every) == pytest.approx(whole, abs=1e-6)
    (tmp_path / "d").write_text((tmp_path / "d").read_text().replace("pp pp pp", "pp pp ff"))
    (found,) = read_trajectories([tmp_path / "d"], header).values()
    assert found.distances(*every).max() > 40


def test_a_skewed_box_is_refused(tmp_path: Path):
    planted.write_run(tmp_path, {1: planted.state(10)})
    header = read_record(tmp_path / "record.txt").header
    planted.write_dump(tmp_path / "d", {1: planted.ethanol(5)})
    (tmp_path / "d").write_text((tmp_path / "d").read_text().replace("0 50\n", "0 50 1\n"))
    with pytest.raises(RunError, match="frame 0 has no orthogonal box"):
        read_trajectories([tmp_path / "d"], header)


def test_a_sampled_run_shows_changes_of_shape(tmp_path: Path):
    planted.write_run(tmp_path, {1: planted.state(100), 2: planted.state(100)})
    turned = planted.ETHANOL.copy()
    turned.rotate_dihedral(planted.C2, planted.C1, OXYGEN, H_OF_O, 120, indices=[H_OF_O])
    trajectory = planted.ethanol(200)
    trajectory.positions[50:, H_OF_O] += turned.positions[H_OF_O] - planted.ETHANOL.positions[H_OF_O]
    planted.write_dump(tmp_path / "trajectory.dump", {1: planted.ethanol(200), 2: trajectory})
    found = judge(tmp_path)
    assert found.causes == (None, None)
    (change,) = found.figures["conformational_changes"]
    assert (change["replica"], change["kind"], change["time"]) == (2, "torsion", pytest.approx(0.050))


def test_dumps_are_read_by_id_and_up_to_a_lost_atom(tmp_path: Path):
    planted.write_run(tmp_path, {1: planted.state(10)})
    header = read_record(tmp_path / "record.txt").header
    both = {1: planted.ethanol(5), 2: planted.ethanol(5, seed=1)}
    planted.write_dump(tmp_path / "d", both, first=100)
    found = read_trajectories([tmp_path / "d"], header, first_step=60)
    assert found[2].positions == pytest.approx(both[2].positions, abs=1e-7)
    assert found[1].time == pytest.approx(0.040 + both[1].time)
    text = (tmp_path / "d").read_text()
    (tmp_path / "cut").write_text(text[:-200])
    assert len(read_trajectories([tmp_path / "cut"], header)[1].time) == 4
    last = text.rindex("\n18 1 ")
    lost = text[:last] + text[text.index("\n", last + 1) :]
    at = lost.rindex("ITEM: NUMBER OF ATOMS\n18")
    (tmp_path / "lost").write_text(lost[:at] + lost[at:].replace("ATOMS\n18", "ATOMS\n17", 1))
    found = read_trajectories([tmp_path / "lost"], header)
    assert [len(found[r].time) for r in (1, 2)] == [5, 4]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "record.txt",
            ("# lampion replicas 1", "step replica"),
            r"columns step replica pe \.\.\. is expected, found none",
        ),
        ("record.txt", ("# units metal", "# units lj"), "units lj have no Å and no eV"),
        ("record.txt", ("# timestep 0.001\n", ""), "the header must name units, timestep"),
        ("record.txt", ("# elements C", "# elements"), "9 atoms per replica need as many elements"),
        ("record.txt", ("# elements C", "# elements Qq"), "9 atoms per replica need as many elements"),
        ("record.txt", ("pe ke", "ke pe"), r"columns step replica pe \.\.\. is expected, found none"),
        ("record.txt", ("\n20 1 ", "\n0 1 "), "replica 1 is sampled twice at step 0"),
        ("record.txt", ("\n20 1 ", "\n20 1 7 "), "a row cannot be read"),
        ("record.txt", ("\n20 1 ", "\n20 x "), "a row cannot be read"),
        ("record.txt", ("\n20 1 ", "\n20 nan "), "rows must hold 9 numbers"),
        ("failed.txt", ("nonfinite", "boredom"), "kind boredom is not known"),
        ("failed.txt", ("\n2 2000", "\n1 2000"), "1 replicas failed twice"),
        ("failed.txt", ("bonds 3 4", "bonds 3 0"), "names no pair of atoms"),
        ("failed.txt", ("bonds 3 4", "bonds 3 10"), "the failure of replica 1 is not of the run"),
        ("failed.txt", ("141.5", ""), "the row `3 3010 3010 force 5 0 ` cannot be read"),
        ("failed.txt", ("kind atom_i", "atom_i kind"), r"columns replica step detected \.\.\. is expected, found none"),
    ],
)
def test_damaged_files_are_refused(study: Path, file: str, change: tuple[str, str], message: str):
    path = study / file
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change, 1))
    with pytest.raises(RunError, match=message):
        judge(study)


def test_folders_of_no_run_or_of_two_are_refused(study: Path, tmp_path: Path):
    with pytest.raises(RunError, match="no such folder"):
        judge(tmp_path / "nowhere")
    (study / "again.txt").write_text((study / "failed.txt").read_text())
    with pytest.raises(RunError, match=r"found again\.txt, failed\.txt; give the folder of one run"):
        judge(study)


@pytest.mark.parametrize("read", [read_record, read_failures])
def test_other_files_are_refused(study: Path, read):
    with pytest.raises(RunError, match="does not begin with `# lampion replicas 1`"):
        read(study / "kept.1.dump")
    with pytest.raises(RunError, match="cannot be read"):
        read(study / "none.txt")
    other = study / ("failed.txt" if read is read_record else "record.txt")
    with pytest.raises(RunError, match=r"columns .*; expected "):
        read(other)


def test_a_record_cut_by_a_kill_is_read_up_to_the_cut(study: Path):
    path = study / "record.txt"
    whole = read_record(path)
    path.write_text(path.read_text()[:-7])
    assert len(read_record(path).replicas[20].time) == len(whole.replicas[20].time) - 1
    path.write_text(planted.header("step replica pe ke temperature fmax dmin n_broken n_formed") + "0 1 -4")
    (study / "failed.txt").write_text(planted.header("replica step detected kind atom_i atom_j value"))
    with pytest.raises(RunError, match="no samples; the run stopped before its first step"):
        judge(study)
    planted.write_run(study, {1: planted.state(1)})
    with pytest.raises(RunError, match="only one step was recorded"):
        judge(study)


def test_all_may_fail_at_the_first_step(study: Path):
    """As replicas do that were relaxed into what is no molecule: nothing is left to be sampled."""
    for path in study.glob("*.dump"):
        path.unlink()
    planted.write_run(study, {}, [f"{replica} 700 700 distance 1 3 0.42" for replica in range(1, 25)])
    found = judge(study, dropped=76)
    assert (found.times == 0.0).all()
    assert set(found.causes) == {Cause.COLLISION}
    figures = found.as_dict()
    assert (figures["failures"], figures["replicas"], figures["dropped"]) == (24, 24, 76)
    assert figures["failure_probability"]["low"] == pytest.approx(0.025 ** (1 / 24))
    assert figures["median_time_ps"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert figures["survival"]["high"][-1] == pytest.approx(1 - 0.025 ** (1 / 24))
    assert figures["restricted_mean_time_ps"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    holds = planted.write_run(study.parent / "holds", {1: planted.state(1000)})
    models = [JudgedModel("gone", figures), JudgedModel("holds", judge(holds).as_dict())]
    for compared in (models[:1], models):
        write_stability_report(compared, study / "report.html")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ITEM: TIMESTEP\n965", "965"), "does not begin with ITEM: TIMESTEP"),
        (("element x y z", "element xs ys zs"), "columns id and x y z .* are needed"),
        (("\n9 1 H ", "\n9 1 H 3 "), "frame 0 has rows of other than 12 words"),
        (("\n9 1 H ", "\n9 1 H a"), "frame 0 cannot be read"),
        (("ATOMS\n9\n", "ATOMS\n12\n"), "frame 0 is not whole"),
    ],
)
def test_damaged_kept_frames_are_refused(study: Path, change: tuple[str, str], message: str):
    path = study / "kept.1.dump"
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(RunError, match=message):
        judge(study)


def test_a_stricter_definition_finds_failures_the_watch_let_pass(study: Path):
    steady = planted.state(1000, seed=9)
    steady.force[700] = 60.0
    planted.write_run(study, {9: steady, 10: planted.state(1000)})
    assert judge(study).causes == (None, None)
    assert judge(study, PRESETS["gradient"]).causes == (Cause.EXPLOSION, None)
    assert judge(study, replace(PRESETS["lampion"], force=50.0)).times[0] == pytest.approx(14.0)
