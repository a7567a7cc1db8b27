"""Each way a run can end, shown by a real `lmp` run; and the law that a cut-off log never counts as complete."""

import json
import re
import subprocess
from signal import SIGINT, SIGKILL, SIGTERM

import pytest

from lampion.pipeline.lmp.ending import Ending, classify
from lampion.pipeline.lmp.environment import lammps_binary, lammps_environment
from lampion.pipeline.lmp.log import LogScan
from lampion.pipeline.lmp.runner import run_lammps
from lj_crystal import CRYSTAL, FLYING, OVERLAPPING

HALT = "variable now equal step\nfix stop all halt 10 v_now >= 30 error"


def run(tmp_path, text, **options):
    script = tmp_path / "case.in"
    script.write_text(text)
    return run_lammps(script, folder=tmp_path / "run", **options)


def status_of(tmp_path, text):
    """The exit status `lmp` gives when the same input is run without any judgement."""
    script = tmp_path / "plain.in"
    script.write_text(text)
    command = [str(lammps_binary()), "-in", str(script), "-log", "none", "-screen", "none"]
    return subprocess.run(command, cwd=tmp_path, env=lammps_environment(), check=False).returncode


SILENT = {
    "every atom gone": (FLYING + "thermo_modify lost ignore\nrun 100", "lost atoms", "2 of 2 atoms were lost"),
    "lost with a warning": (FLYING + "thermo_modify lost warn\nrun 100", "lost atoms", "2 of 2 atoms were lost"),
    "halt soft": (CRYSTAL + HALT + " soft\nrun 100\nrun 50", "halted", "'run 100' ended early: Fix halt .* on step 30"),
    "halt continue": (CRYSTAL + HALT + " continue\nrun 100\nunfix stop\nrun 50", "halted", "'run 100' ended early"),
    "timer": (CRYSTAL + "timer timeout 0:00:01 every 10\nrun 1000000000", "halted", "Wall time limit reached"),
    "overlapping atoms": (OVERLAPPING + "run 3", "nan", "E_pair is not a finite number at step 0"),
    "nan, style yaml": (OVERLAPPING + "thermo_style yaml\nrun 3", "nan", "is not a finite number at step 0"),
    "nan, style multi": (OVERLAPPING + "thermo_style multi\nrun 3", "nan", "is not a finite number at step 0"),
}


@pytest.mark.parametrize(("text", "kind", "reason"), SILENT.values(), ids=SILENT.keys())
def test_failure_with_exit_status_zero_is_seen(tmp_path, text, kind, reason):
    assert status_of(tmp_path, text) == 0
    ending = run(tmp_path, text).ending
    assert (ending.kind, ending.exit_code) == (kind, 4)
    assert re.search(reason, ending.reason), ending.reason


LOUD = {
    "lost atoms": (FLYING + "run 100", "lost atoms", 4, "2 of 2 atoms were lost"),
    "halt hard": (CRYSTAL + HALT + " hard\nrun 100", "halted", 4, "Fix halt condition for fix-id stop met on step 30"),
    "syntax": (CRYSTAL + "blah 1 2", "error", 2, "Unknown command: blah 1 2 (last command: blah 1 2)"),
    "pair style": (CRYSTAL + "pair_style nonesuch", "error", 2, "Unrecognized pair style 'nonesuch'"),
    "missing file": (CRYSTAL + "run 10\nread_data none.data", "error", 2, "LAMMPS stopped at step 10"),
    "own exit status": (CRYSTAL + "run 10\nquit 3", "error", 2, "exit status 3 at step 10"),
}


@pytest.mark.parametrize(("text", "kind", "code", "reason"), LOUD.values(), ids=LOUD.keys())
def test_failure_that_lmp_reports_is_named(tmp_path, text, kind, code, reason):
    assert status_of(tmp_path, text) != 0
    ending = run(tmp_path, text).ending
    assert (ending.kind, ending.exit_code) == (kind, code)
    assert reason in ending.reason


def test_error_of_another_rank_is_named(tmp_path):
    """Rank 1 has no log: what it says reaches the screen only."""
    crowd_on_rank_1 = """
units lj
processors 2 1 1
region box block 0 20 0 5 0 5
create_box 1 box
region half block 11 19 0 5 0 5
lattice fcc 2.0
create_atoms 1 region half
mass 1 1.0
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0
neigh_modify one 10 page 100
run 10
"""
    result = run(tmp_path, crowd_on_rank_1, ranks=2)
    assert "Neighbor list overflow" not in result.log.read_text()
    assert (result.ending.kind, result.ending.signal) == ("error", None)
    assert "Neighbor list overflow" in result.ending.reason


COMPLETE = {
    "one run": ("run 50", 50),
    "no run at all": ("write_data made.data", None),
    "run 0": ("run 0", 0),
    "minimise, then run": ("minimize 0 0 5 10\nreset_timestep 0\nrun 20", 20),
    "several runs, upto, pre no": ("run 20\nrun 30 upto\nrun 15 pre no", 45),
    "every": ('run 30 every 10 "print here"', 30),
    "inside if": ('if "1 > 0" then "run 40"', 40),
    "variable": ("variable n equal 25\nrun $n", 25),
    "style multi": ("thermo_style multi\nrun 20", 20),
    "style yaml": ("thermo_style yaml\nrun 20", 20),
    "thermo without steps": ("thermo_style custom temp pe\nrun 20", None),
    "another log file": ("log second.log\nrun 20", 20),
    "no log": ("log none\nrun 20", 20),
    "text that looks like a command": ('print "run 7"\nprint "run 5 of 8"\nprint "Step one"\nrun 20', 20),
    "atoms deleted on purpose": ("run 10\ndelete_atoms random count 8 yes all NULL 1234\nrun 10", 20),
    "atoms deposited": ("fix d all deposit 5 1 2 123 region box near 0.4 attempt 100\nrun 20", 20),
    "cleared and read back": (
        "write_restart r.rst\nclear\nread_restart r.rst\nreplicate 2 1 1\nthermo 10\nrun 5", 5,
    ),
    "quit": ("run 10\nquit", 10),
}  # fmt: skip


@pytest.mark.parametrize(("commands", "last_step"), COMPLETE.values(), ids=COMPLETE.keys())
def test_run_that_did_what_was_asked_is_complete(tmp_path, commands, last_step):
    ending = run(tmp_path, CRYSTAL + commands).ending
    assert (ending.kind, ending.last_step, ending.exit_code) == ("complete", last_step, 0), ending.reason
    assert ending.ok


@pytest.mark.parametrize("style", ["one", "multi", "yaml"])
def test_cut_off_log_is_never_complete(tmp_path, style):
    """Every prefix of a log, whatever the exit status says: incomplete, with a step that was really printed."""
    result = run(tmp_path, CRYSTAL + f"thermo_style {style}\nrun 30\nrun 20")
    whole = result.log.read_text()
    assert classify(result.log, status=0).ok
    end = whole.index("Total wall time")
    cut = tmp_path / "cut.log"
    for length in range(0, end, 7):
        cut.write_text(whole[:length])
        ending = classify(cut, status=0)
        assert ending.kind == "incomplete", whole[:length]
        assert ending.last_step in {None, 0, 10, 20, 30, 40, 50}


def test_run_that_stops_short_without_a_word_is_incomplete(tmp_path):
    result = run(tmp_path, CRYSTAL + "run 30")
    short = tmp_path / "short.log"
    short.write_text(result.log.read_text().replace("for 30 steps with", "for 20 steps with"))
    ending = classify(short, status=0)
    assert ending.kind == "incomplete"
    assert "'run 30' did not reach its last step" in ending.reason


@pytest.mark.parametrize("style", ["one", "multi", "yaml"])
def test_log_reads_the_same_in_any_pieces(tmp_path, style):
    """A growing file is read wherever the writer happens to be: half a line must not count as a line."""
    text = run(tmp_path, CRYSTAL + f"thermo_style {style}\nrun 30\nrun 20").log.read_text()
    whole, pieces = LogScan(), LogScan()
    whole.feed(text)
    for start in range(0, len(text), 3):
        pieces.feed(text[start : start + 3])
    assert pieces == whole
    assert [block.done for block in whole.blocks] == [30, 20]


def test_missing_log_is_incomplete(tmp_path):
    assert classify(tmp_path / "none.log").kind == "incomplete"


@pytest.mark.parametrize(
    ("signal", "code"), [(SIGINT, 130), (SIGTERM, 75), (SIGKILL, 5)], ids=["Ctrl-C", "queue limit", "kill -9"]
)
def test_signal_is_named_and_has_its_exit_code(tmp_path, signal, code):
    ending = classify(tmp_path / "none.log", status=-signal)
    assert (ending.kind, ending.signal, ending.exit_code) == ("killed", signal, code)
    assert signal.name in ending.reason


def test_nan_is_the_cause_of_the_crash_it_led_to(tmp_path):
    result = run(tmp_path, OVERLAPPING + "run 3")
    assert classify(result.log, status=-11).kind == "nan"


def test_ending_in_run_json_is_the_ending_returned(tmp_path):
    result = run(tmp_path, CRYSTAL + "run 10")
    record = json.loads((result.folder / "run.json").read_text())
    assert Ending(**record["ending"]) == result.ending
