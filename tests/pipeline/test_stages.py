"""Stages run once for their inputs and parameters, continue when interrupted, and are skipped when up to date."""

from pathlib import Path

import pytest

from lampion.pipeline.study.stages import Stage, StageRecord, run_stages


class Kitchen:
    """Two stages that copy text: source -> first -> second; counts how often each works."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs, self.fail = folder, [], False
        self.source, self.first, self.second = folder / "source", folder / "one" / "first", folder / "two" / "second"
        self.source.write_text("a")

    def stages(self, **parameters: int) -> list[Stage]:
        return [
            Stage(
                "one",
                lambda: self.copy("one", self.source, self.first),
                (self.source,),
                (self.first,),
                {},
                self.first.parent,
            ),
            Stage(
                "two",
                lambda: self.copy("two", self.first, self.second),
                (self.first,),
                (self.second,),
                parameters,
                self.second.parent,
            ),
        ]

    def copy(self, name: str, source: Path, target: Path) -> None:
        self.runs.append(name)
        target.parent.mkdir(exist_ok=True)
        with (target.parent / "trace").open("a") as stream:
            stream.write(name)
        if self.fail:
            raise RuntimeError("the stove is off")
        target.write_text(source.read_text())

    def cook(self, **parameters: int) -> list[str]:
        self.runs.clear()
        run_stages(self.stages(**parameters), StageRecord(self.folder / "stages.json"), lambda _text: None)
        return list(self.runs)


@pytest.fixture
def kitchen(tmp_path):
    return Kitchen(tmp_path)


def test_second_time_nothing_runs(kitchen):
    assert kitchen.cook() == ["one", "two"]
    assert kitchen.cook() == []


def test_changed_input_runs_what_depends_on_it(kitchen):
    kitchen.cook()
    kitchen.source.write_text("b")
    assert kitchen.cook() == ["one", "two"]
    assert kitchen.second.read_text() == "b"


def test_same_result_stops_the_chain(kitchen):
    kitchen.cook()
    kitchen.first.unlink()
    assert kitchen.cook() == ["one"]  # it makes the same file again, so `two` is still up to date


def test_changed_parameter_runs_only_its_stage_in_an_empty_folder(kitchen):
    kitchen.cook(n=1)
    assert kitchen.cook(n=2) == ["two"]
    assert (kitchen.second.parent / "trace").read_text() == "two"


def test_interrupted_stage_continues_in_its_folder(kitchen):
    kitchen.fail = True
    with pytest.raises(RuntimeError, match="the stove is off"):
        kitchen.cook()
    kitchen.fail = False
    assert kitchen.cook() == ["one", "two"]
    assert (kitchen.first.parent / "trace").read_text() == "oneone"


def test_seconds_of_all_attempts_are_kept(kitchen):
    kitchen.cook()
    seconds = StageRecord(kitchen.folder / "stages.json").seconds
    assert set(seconds) == {"one", "two"}
