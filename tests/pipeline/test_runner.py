"""`run_lammps`: what it starts, what it writes, and that nothing outlives it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import pytest

from lampion.pipeline.lmp.environment import InstallationError, lammps_environment, plugin_entries
from lampion.pipeline.lmp.process_group import SignalRelay, kill_group
from lampion.pipeline.lmp.runner import RunError, run_lammps
from lj_crystal import CRYSTAL, ENDLESS, eventually, working_in

# a shell has told the tests to ignore SIGINT if it runs them in the background
CALLER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from lampion.pipeline.lmp.runner import run_lammps
def going(step, last_step):
    print("going", flush=True)
result = run_lammps(sys.argv[1], folder=sys.argv[2], ranks=int(sys.argv[3]), progress=going)
sys.exit(result.ending.exit_code)
"""


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "case.in"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def caller(script, tmp_path):
    """Start an endless run from another Python process: a function of the ranks that returns it once it runs."""
    started = []

    def start(ranks):
        rooms = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, "-c", CALLER, str(script(ENDLESS)), str(tmp_path / "run"), str(ranks)]
        process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": rooms}, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "going\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def record_of(folder):
    return json.loads((folder / "run.json").read_text())


def test_record_says_what_was_run(script, tmp_path):
    model = tmp_path / "model.pt"
    model.write_bytes(b"weights")
    path = script(CRYSTAL + "run ${n}\n")
    variables = {"n": 20, "seed": 7, "model": str(model), "T": -1.5}
    result = run_lammps(path, folder=tmp_path / "new" / "run", variables=variables, threads=2)
    record = record_of(result.folder)
    assert record["input"] == {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert record["variables"] == {"n": "20", "seed": "7", "model": str(model), "T": "-1.5"}
    assert record["model"] == {"path": str(model), "sha256": hashlib.sha256(b"weights").hexdigest()}
    assert (record["seed"], record["ranks"], record["threads"]) == ("7", 1, 2)
    assert record["versions"]["lammps"] == metadata.version("lammps")
    assert record["ending"]["last_step"] == 20
    assert record["started"] <= record["ended"]
    assert result.log.read_text().count("using 2 OpenMP thread(s)") == 1


def test_this_process_keeps_its_environment(script, tmp_path):
    before = dict(os.environ), os.getcwd(), signal.getsignal(signal.SIGTERM)  # noqa: PTH109
    run_lammps(script(CRYSTAL + "run 0\n"), folder=tmp_path / "run")
    assert before == (dict(os.environ), os.getcwd(), signal.getsignal(signal.SIGTERM))  # noqa: PTH109


def test_ranks_work_together(script, tmp_path):
    result = run_lammps(script(CRYSTAL + "run 20\n"), folder=tmp_path / "run", ranks=2)
    assert result.ending.ok
    assert "on 2 procs for 20 steps with 108 atoms" in result.log.read_text()


def test_variable_that_names_a_file_of_the_caller_becomes_absolute(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("model.pt", "300"):
        Path(name).touch()
    variables = {"model": "model.pt", "T": "300", "label": "nothing.pt"}
    result = run_lammps(script(CRYSTAL + "run 0\n"), folder="run", variables=variables)
    expected = {"model": str(tmp_path / "model.pt"), "T": "300", "label": "nothing.pt"}
    assert record_of(result.folder)["variables"] == expected


def test_progress_is_seen_while_the_run_goes_on(script, tmp_path):
    """An input that neither flushes its log nor prints enough to fill a buffer."""
    seen = []
    folder = tmp_path / "run"
    text = CRYSTAL + "thermo 30000\nrun 30000\n"
    run_lammps(script(text), folder=folder, progress=lambda *steps: seen.append((*steps, bool(working_in(folder)))))
    assert [steps for *steps, _ in seen] == [[0, 30000], [30000, 30000]]
    assert seen[0][2]  # the last step may be seen before lmp has ended, or after


def test_progress_counts_up_to_the_last_step_of_each_run(script, tmp_path):
    seen = []
    text = CRYSTAL + "minimize 0 0 20 20\nreset_timestep 0\nthermo 1000\nrun 20000\nrun 25000 upto\n"
    run_lammps(script(text), folder=tmp_path / "run", progress=lambda step, last: seen.append((step, last)))
    assert seen[-1] == (25000, 25000)
    targets = [last for _, last in seen if last is not None]
    assert targets == sorted(targets)
    assert set(targets) == {20000, 25000}
    assert any(0 < step < 20000 for step, last in seen if last == 20000)


def test_earlier_run_is_kept_unless_forced(script, tmp_path):
    path = script(CRYSTAL + "run 10\n")
    run_lammps(path, folder=tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(RunError, match=r"holds an earlier run \(run\.json\).*--force"):
        run_lammps(path, folder=tmp_path / "run")
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    path.write_text(CRYSTAL + "run 20\n")
    assert run_lammps(path, folder=tmp_path / "run", force=True).ending.last_step == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [({"ranks": 0}, "ranks must be 1 or more, got 0"), ({"threads": -1}, "threads must be 1 or more, got -1")],
    ids=["ranks", "threads"],
)
def test_impossible_numbers_are_refused(script, tmp_path, options, message):
    with pytest.raises(RunError, match=message):
        run_lammps(script(CRYSTAL), folder=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_missing_input_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no LAMMPS input at .*none\.in"):
        run_lammps(tmp_path / "none.in", folder=tmp_path / "run")


def test_missing_mpi_is_refused_for_several_ranks_only(script, tmp_path, monkeypatch):
    monkeypatch.setattr("lampion.pipeline.lmp.environment.mpi_file", lambda _name: None)
    with pytest.raises(InstallationError, match=r"mpiexec is not installed.*pip install"):
        run_lammps(script(CRYSTAL), folder=tmp_path / "run", ranks=2)


def test_loader_failure_is_told_in_its_own_words(script, tmp_path, monkeypatch):
    """Without the MPI library on its path the binary does not even start; no log says why."""
    monkeypatch.setattr("lampion.pipeline.lmp.environment.mpi_file", lambda _name: None)
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    ending = run_lammps(script(CRYSTAL), folder=tmp_path / "run").ending
    assert ending.kind == "error"
    assert "libmpi" in ending.reason


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_signal_stops_the_run_and_is_written_down(caller, tmp_path, ranks, number, code):
    process = caller(ranks)
    folder = tmp_path / "run"
    assert sum(name == "lmp" for name in working_in(folder).values()) == ranks
    process.send_signal(number)
    assert process.wait(60) == code
    assert eventually(lambda: not working_in(folder)), working_in(folder)
    ending = record_of(folder)["ending"]
    assert (ending["kind"], ending["signal"]) == ("killed", number)
    assert ending["last_step"] is not None


@pytest.mark.parametrize("ranks", [1, 2])
def test_nothing_outlives_a_killed_caller(caller, tmp_path, ranks):
    process = caller(ranks)
    process.kill()
    assert eventually(lambda: not working_in(tmp_path / "run")), working_in(tmp_path / "run")
    assert record_of(tmp_path / "run")["ending"] is None


@pytest.mark.parametrize("victim", ["lmp", "mpiexec", "hydra_pmi_proxy"])
def test_kill_9_inside_a_parallel_run_ends_all_of_it(script, tmp_path, victim):
    folder = tmp_path / "run"
    killed = []

    def kill_one(_step, _last):
        targets = [pid for pid, name in working_in(folder).items() if name == victim]
        if targets and not killed:
            killed.append(targets[-1])
            os.kill(targets[-1], signal.SIGKILL)

    result = run_lammps(script(ENDLESS), folder=folder, ranks=2, progress=kill_one)
    assert killed
    assert result.ending.kind in ("killed", "error")
    assert result.interrupted is None
    assert eventually(lambda: not working_in(folder)), working_in(folder)


def test_kill_9_of_lmp_is_named_with_its_last_step(script, tmp_path):
    folder = tmp_path / "run"

    def kill_lmp(_step, _last):
        for pid in working_in(folder):
            os.kill(pid, signal.SIGKILL)

    ending = run_lammps(script(ENDLESS), folder=folder, progress=kill_lmp).ending
    assert (ending.kind, ending.signal) == ("killed", signal.SIGKILL)
    assert f"killed by SIGKILL at step {ending.last_step}" == ending.reason
    assert ending.last_step >= 0


def test_exception_in_the_caller_ends_the_run(script, tmp_path):
    def fail(_step, _last):
        raise ZeroDivisionError("in the progress bar")

    with pytest.raises(ZeroDivisionError, match="in the progress bar"):
        run_lammps(script(ENDLESS), folder=tmp_path / "run", progress=fail)
    assert not working_in(tmp_path / "run")


def test_run_in_another_thread_works(script, tmp_path):
    results = []
    path = script(CRYSTAL + "run 10\n")
    thread = threading.Thread(target=lambda: results.append(run_lammps(path, folder=tmp_path / "run")))
    thread.start()
    thread.join(30)
    assert results[0].ending.ok


STUBBORN = "trap '' TERM INT; echo ready; while :; do sleep 0.1; done"


@pytest.mark.parametrize("insist", ["grace time", "second signal"])
def test_stubborn_child_is_killed(insist):
    child = subprocess.Popen(["/bin/sh", "-c", STUBBORN], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout.readline() == b"ready\n"
    with SignalRelay(grace_seconds=0.2 if insist == "grace time" else 1000.0) as relay:
        relay.attach(child)
        os.kill(os.getpid(), signal.SIGTERM)
        relay.escalate()
        with pytest.raises(subprocess.TimeoutExpired, match="timed out"):
            child.wait(0.3)
        if insist == "second signal":
            os.kill(os.getpid(), signal.SIGTERM)
        relay.escalate()
        assert child.wait(5) == -signal.SIGKILL
    assert relay.received is signal.SIGTERM
    kill_group(child)
    child.stdout.close()


class BrokenEntry:
    """Another package's entry point that raises, as one with a missing dependency does."""

    name = "broken"
    dist = None

    @staticmethod
    def load():
        raise ImportError("no module named gone")


class OtherEntry(BrokenEntry):
    name = "other"

    @staticmethod
    def load():
        return lambda: "/opt/other/plugins"


def test_broken_plugin_of_another_package_does_not_stop_ours(monkeypatch):
    monkeypatch.setattr(metadata, "entry_points", lambda group: [BrokenEntry, OtherEntry])  # noqa: ARG005
    broken, other = plugin_entries()
    assert (broken.folder, broken.fault) == (None, "ImportError: no module named gone")
    assert (other.folder, other.fault) == ("/opt/other/plugins", None)
    env = lammps_environment(threads=3, base={"LAMMPS_PLUGIN_PATH": "/home/me/plugins", "LD_LIBRARY_PATH": "/opt/lib"})
    assert env["LAMMPS_PLUGIN_PATH"] == "/opt/other/plugins:/home/me/plugins"
    assert env["LD_LIBRARY_PATH"].endswith(":/opt/lib")
    assert env["OMP_NUM_THREADS"] == "3"
