"""Time that is left, without a terminal."""

import pytest

from lampion.pipeline import progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when told to."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False)
    return now


def lines(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_resumed_run_is_judged_by_what_it_does_itself(clock, capsys):
    with progress.task("run") as shown:
        shown.update(40_000, 100_000, "steps")
        clock[0] += 20
        shown.update(41_000, 100_000, "steps")
    assert lines(capsys) == ["run", "run: 41000/100000 steps [20 s, 1180 s left]"]


def test_what_came_before_the_first_word_does_not_count(clock, capsys):
    with progress.task("training") as shown:
        clock[0] += 300  # a compiler
        shown.update(1, 100, "epochs")
        clock[0] += 10
        shown.update(11, 100, "epochs")
        clock[0] += 89
        shown.update(100, 100, "epochs")
    assert lines(capsys)[1:] == [
        "training: 1/100 epochs [300 s]",
        "training: 11/100 epochs [310 s, 89 s left]",
        "training: 100/100 epochs [399 s, 0 s left]",
    ]


def test_lines_come_no_faster_than_every_ten_seconds_but_the_last(clock, capsys):
    with progress.task("run") as shown:
        for done in range(100):
            clock[0] += 1
            shown.update(done + 1, 100)
    assert len(lines(capsys)) == 1 + 10
