"""The page of measured speeds says what the record says, and the suite runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import report
from benchmarks.lmp import read_run
from benchmarks.shares import owners
from benchmarks.workshop import Workshop

OUTPUT = """
Loop time of 2 on 1 procs for 40 steps with 500 atoms

50.0% CPU use with 1 MPI tasks x 1 OpenMP threads

MPI task timing breakdown:
Section |  min time  |  avg time  |  max time  |%varavg| %total
---------------------------------------------------------------
Pair    | 1.6        | 1.6        | 1.6        |   0.0 | 80.00
Neigh   | 0.2        | 0.2        | 0.2        |   0.0 | 10.00
Comm    | 0.1        | 0.1        | 0.1        |   0.0 |  5.00
Nghost:           1200 ave        1200 max        1200 min
VmHWM:\t  300000 kB
"""


def test_tables_are_what_the_record_gives():
    page = report.PAGE.read_text()
    assert report.filled(page, report.latest(report.HISTORY)) == page


def training(speed: float) -> dict:
    """A record of one question."""
    rows = [{"name": "mace-torch, take_step", "speed": 10.0}, {"name": "preset medium, compiled", "speed": speed}]
    found = {"atoms": 9.0, "batch": 5, "rows": rows, "load_before": 0.1, "rounds": 3, "seconds": 4.0}
    machine = {"processor": "P", "model": "6 1 1", "cores": 2, "vector_units": ["avx2"]}
    shared = {"date": "2026-01-01T00:00:00+00:00", "commit": "abc", "versions": {"torch": "2.13.0"}, "machine": machine}
    return shared | {"quick": False, "questions": {"training": found}}


def test_a_figure_that_is_not_the_records_is_noticed():
    page = report.filled(report.PAGE.read_text(), {"training": training(55.0)})
    assert "| preset medium, compiled | 55.0 | 5.50 |" in page
    assert report.filled(page, {"training": training(55.0)}) == page
    assert report.filled(page.replace("5.50", "6.50"), {"training": training(55.0)}) == page
    assert report.filled(page, {"training": training(56.0)}) != page


def test_a_lost_section_is_an_error():
    with pytest.raises(ValueError, match="needs one section <!-- argon -->"):
        report.filled("# Performance\n", {})


def test_quick_runs_do_not_reach_the_page(tmp_path):
    history = tmp_path / "history.jsonl"
    rows = [{"quick": quick, "questions": {"argon": {}}, "commit": str(quick)} for quick in (False, True)]
    history.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert report.latest(history)["argon"]["commit"] == "False"


def test_on_one_core_speed_is_per_processor_time():
    run = read_run(OUTPUT, 1)
    assert run.speed == pytest.approx(500 * 40 / (2 * 0.5))
    assert read_run(OUTPUT, 2).speed == pytest.approx(500 * 40 / 2)
    assert (run.pair, run.memory) == pytest.approx((1.6 / 40, 300000 * 1024))


def test_samples_are_shared_out_by_owner():
    report = " 60.00%  libtorch_cpu.so  [.] mkl_blas_avx512_sgemm_kernel\n 20.00%  x.so (deleted)  [.] 0x01\n"
    shares = owners(report)
    assert shares["matrix products"] == pytest.approx(0.75)
    assert shares["kernels of the compiled model"] == pytest.approx(0.25)


def test_what_an_interrupted_run_left_in_the_cache_is_made_again(tmp_path):
    shop = Workshop(tmp_path)

    def interrupted(path):
        path.write_text("half")
        raise KeyboardInterrupt("stopped")

    with pytest.raises(KeyboardInterrupt, match="stopped"):
        shop.kept("model.pt2", "content", interrupted)
    assert shop.kept("model.pt2", "content", lambda path: path.write_text("whole")).read_text() == "whole"
    assert shop.kept("model.pt2", "content", interrupted).read_text() == "whole"


@pytest.mark.slow
def test_the_suite_runs(tmp_path):
    history = tmp_path / "history.jsonl"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--cache", str(tmp_path), "--history", str(history)]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(history.read_text())
    assert set(record["questions"]) == {"argon", "aluminium", "size", "network", "ranks", "shares"}
    assert record["quick"]
