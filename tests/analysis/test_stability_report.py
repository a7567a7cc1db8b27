"""The page of a study stands alone, shows every picture its models allow, and pools replicas rightly."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planted
from lampion.analysis.stability import judge
from lampion.analysis.stability.model import JudgedModel, difference, pool, varied
from lampion.analysis.stability.report import write_stability_report
from planted import H_OF_O

N = 20


def judged(folder: Path, name: str, failing: int, **parameters: Any) -> JudgedModel:
    """A model of which so many of 20 replicas fail in the first 2 ps of 4."""
    steps = [100 * k for k in range(1, failing + 1)]
    replicas = {r: planted.state(200 if r > failing else 5 * r + 1, seed=r) for r in range(1, N + 1)}
    rows = [f"{r} {step} {step + 50} bonds 3 4 1.8" for r, step in enumerate(steps, start=1)]
    planted.write_run(folder / name, replicas, rows)
    if failing:
        pulled = planted.ethanol(60)
        pulled.positions[10:, H_OF_O] += [0, 0, 2.0]
        planted.write_dump(folder / name / "kept.1.dump", {1: pulled}, first=90)
    return JudgedModel(name, judge(folder / name).as_dict(), parameters)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[JudgedModel]:
    folder = tmp_path_factory.mktemp("study")
    return [
        judged(folder, "loose", 15, forces_weight=0.01, train_size=900, architecture="e3x"),
        judged(folder, "tight", 4, forces_weight=0.1, train_size=100, architecture="e3x"),
        judged(folder, "best", 0, forces_weight=0.1, train_size=900, architecture="e3x"),
        judged(folder, "worst", N, forces_weight=0.01, train_size=100, architecture="e3x"),
    ]


def titles(page: str) -> list[str]:
    return re.findall(r'<img [^>]*alt="([^"]*)"', page)


def test_the_page_of_a_study(models: list[JudgedModel], tmp_path: Path):
    write_stability_report(models, tmp_path / "study.html", title="Ethanol & co")
    page = (tmp_path / "study.html").read_text()
    assert titles(page) == [
        "Survival", "Survival by forces weight", "Survival by train size", "How often", "How soon", "How steady",
        "Why", "Why, by model", "Energy, best", "Energy, worst", "Hydrogen loss",
    ]  # fmt: skip
    assert all(source.startswith("data:image/svg+xml;base64,") for source in re.findall(r'src="([^"]*)"', page))
    assert "<script" not in page
    assert "http" not in re.sub(r'src="[^"]*"', "", page)
    assert "Ethanol &amp; co" in page
    # Best first, with the interval of Clopper and Pearson.
    assert page.index("below 16.8 % (95 %)") < page.index("20.0 % (95 %: 5.7 to 43.7 %)") < page.index("above 83.2 %")
    assert [path.name for path in tmp_path.iterdir()] == ["study.html"]


def test_the_page_of_one_model_that_holds(models: list[JudgedModel], tmp_path: Path):
    write_stability_report(models[2:3], tmp_path / "one.html")
    page = (tmp_path / "one.html").read_text()
    assert titles(page) == ["Survival", "Energy, best"]
    assert "against the best" not in page


def test_a_page_needs_models(tmp_path: Path):
    with pytest.raises(ValueError, match="at least one judged model"):
        write_stability_report([], tmp_path / "none.html")
    assert not list(tmp_path.iterdir())


def test_pools_hold_all_replicas_of_a_value(models: list[JudgedModel]):
    found = varied(models)
    assert list(found) == ["forces_weight", "train_size"]  # the architecture is the same for all
    assert list(found["forces_weight"]) == [0.01, 0.1]
    assert [int(p.failed.sum()) for p in found["forces_weight"].values()] == [35, 4]
    assert found["forces_weight"][0.1].rate.value == pytest.approx(0.1)
    assert difference(list(found["forces_weight"].values())) < 1e-6
    assert difference([pool(models[:1]), pool(models[:1])]) == pytest.approx(1.0)


def test_the_shortest_run_that_was_survived_limits_a_pool(models: list[JudgedModel], tmp_path: Path):
    """A run that ends because all its replicas are gone limits nothing; one that was short does."""
    assert models[3].figures["horizon_ps"] < models[2].figures["horizon_ps"]
    assert pool(models).horizon == models[2].figures["horizon_ps"]
    planted.write_run(tmp_path / "short", {1: planted.state(51), 2: planted.state(51)})
    short = JudgedModel("short", judge(tmp_path / "short").as_dict())
    both = pool([models[3], short])
    assert both.horizon == pytest.approx(1.0)
    assert both.time.max() == pytest.approx(1.0)
    assert int(both.failed.sum()) == 10  # of twenty that failed every 0.1 ps
    assert np.isfinite(both.mean_time.low)
