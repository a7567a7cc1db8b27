"""The page stands alone and holds every picture."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from lampion.analysis import RunError, analyze_run, write_report
from lampion.analysis.study import read_metrics, read_parity


class Page(HTMLParser):
    """Images and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.titles: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        self.addresses += [found[name] or "" for name in ("src", "href") if name in found]
        if tag == "img":
            self.titles.append(found["alt"] or "")


@pytest.fixture(scope="module")
def alone(argon: dict[str, Path]) -> dict:
    return analyze_run(argon["real"])


@pytest.fixture
def study(tmp_path: Path) -> dict[str, Path]:
    rng = np.random.default_rng(1)
    forces, energies = rng.normal(size=(500, 3)), rng.normal(size=20)
    np.savez(
        tmp_path / "parity.npz", energy_reference=energies, energy_predicted=energies + 1e-3,
        forces_reference=forces, forces_predicted=forces + 1e-3,
    )  # fmt: skip
    keys = [
        f"{part}_{name}" for part in ("train", "valid") for name in ("energy_mae_meV_per_atom", "forces_mae_meV_per_A")
    ]
    lines = [json.dumps({"epoch": i, "step": 10 * i, **dict.fromkeys(keys, 5.0 / i)}) for i in range(1, 9)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return {"parity": tmp_path / "parity.npz", "metrics": tmp_path / "metrics.jsonl"}


def test_report_of_a_bare_run(alone: dict, tmp_path: Path):
    write_report(alone, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())
    assert page.titles == ["Energy conservation", "Structure, Ar-Ar", "Diffusion", "Temperature"]
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_report_of_a_study_is_self_contained(argon: dict[str, Path], study: dict[str, Path], tmp_path: Path):
    analysis = analyze_run(argon["real"], argon["metal"])
    law = {"deviation": 0.02, "time_step_ps": [0.004, 0.002, 0.001], "fluctuation_meV_per_atom": [16, 4, 1]}
    analysis["timestep_law"]["learned"] = law
    analysis["notes"].append("a <b>note</b>")
    write_report(analysis, tmp_path / "r.html", title="Argon & co", seconds={"train": 61.5, "export": 2.0}, **study)
    text = (tmp_path / "r.html").read_text()
    page = Page(text)
    assert page.titles == [
        "Energies", "Forces", "Learning curve", "Energy conservation", "The dt² law", "Structure, Ar-Ar", "Diffusion",
        "Temperature",
    ]  # fmt: skip
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.addresses)
    assert not page.tags & {"script", "link", "iframe"}
    assert not re.search(r"https?://|@import|url\(", text)
    for address in page.addresses:
        drawing = ElementTree.fromstring(base64.b64decode(address.split(",", 1)[1]))
        assert len(list(drawing.iter("{http://www.w3.org/2000/svg}path"))) > 5
    assert "Argon &amp; co" in text
    assert "a &lt;b&gt;note" in text
    assert "63.5" in text
    assert "Every judged criterion is met." in text


def test_failures_head_the_page(alone: dict, tmp_path: Path):
    criteria = [{**row, "passed": False} if row["name"] == "Energy drift" else row for row in alone["criteria"]]
    write_report({**alone, "passed": False, "criteria": criteria}, tmp_path / "r.html")
    assert "Not met: Energy drift." in (tmp_path / "r.html").read_text()


def test_report_from_the_written_analysis_is_the_same(alone: dict, tmp_path: Path):
    write_report(alone, tmp_path / "one.html")
    write_report(json.loads(json.dumps(alone)), tmp_path / "two.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_metrics_cut_in_the_last_line_are_read(study: dict[str, Path]):
    with study["metrics"].open("a") as file:
        file.write('{"epoch": 9, "st')
    assert list(read_metrics(study["metrics"])["epoch"]) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no metrics"), ('{"step": 1}\nx\n', r"line 2: not JSON"), ("[1]\n", "line 1: a JSON object is expected")],
)
def test_bad_metrics_are_refused(tmp_path: Path, text: str, message: str):
    (tmp_path / "m.jsonl").write_text(text)
    with pytest.raises(RunError, match=message):
        read_metrics(tmp_path / "m.jsonl")


def test_missing_metrics_are_refused(tmp_path: Path):
    with pytest.raises(RunError, match="cannot read the training metrics"):
        read_metrics(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forces_predicted": None}, "no array forces_predicted"),
        ({"forces_predicted": np.zeros((3, 3))}, r"forces_reference \(2, 3\) and forces_predicted \(3, 3\) must match"),
        ({"energy_reference": np.array([np.nan, 1.0])}, "energy holds NaN"),
    ],
)
def test_bad_parity_files_are_refused(tmp_path: Path, change: dict, message: str):
    arrays = {"energy_reference": np.zeros(2), "energy_predicted": np.zeros(2)}
    arrays |= {"forces_reference": np.zeros((2, 3)), "forces_predicted": np.zeros((2, 3))}
    kept = {key: value for key, value in {**arrays, **change}.items() if value is not None}
    np.savez(tmp_path / "parity.npz", **kept)
    with pytest.raises(RunError, match=message):
        read_parity(tmp_path / "parity.npz")


def test_a_file_that_is_no_npz_is_refused(tmp_path: Path):
    (tmp_path / "parity.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(RunError, match="not readable as npz"):
        read_parity(tmp_path / "parity.npz")
