"""Records -> the tables of docs/performance.md, between its markers, and one picture a question."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks import convergence, molecules, network, ranks, shares, size, training
from benchmarks.deepmd import Deepmd
from benchmarks.materials import ALUMINIUM, ARGON
from benchmarks.native import Native
from benchmarks.workshop import Question, Record
from lampion.analysis.figures import style

ROOT = Path(__file__).parent.parent
HISTORY = Path(__file__).parent / "history.jsonl"
PAGE = ROOT / "docs" / "performance.md"
PICTURES = ROOT / "docs" / "performance"
QUESTIONS: dict[str, Question] = {
    "argon": Native(ARGON),
    "aluminium": Native(ALUMINIUM),
    "deepmd": Deepmd(ARGON),
    "deepmd-aluminium": Deepmd(ALUMINIUM),
    "size": size,
    "network": network,
    "ranks": ranks,
    "shares": shares,
    "molecules": molecules,
    "training": training,
    "convergence": convergence,
}


def latest(history: Path) -> dict[str, Record]:
    """For each question the last record that answers it; those of `--quick` runs do not count."""
    records = [json.loads(line) for line in history.read_text().splitlines()] if history.exists() else []
    return {name: record for record in records if not record["quick"] for name in record["questions"]}


def section(name: str, record: Record) -> str:
    """Table of one question, with what it was measured on."""
    machine, found = record["machine"], record["questions"][name]
    units = ", ".join(machine["vector_units"])
    of = f"{machine['cores']} cores of {machine['processor']} ({machine['model']}; {units})"
    timed = getattr(QUESTIONS[name], "TIMED", f"{found['rounds']} x {found['seconds']:g} s a measurement")
    where = (
        f"{record['date'][:10]}, commit {record['commit']}, torch {record['versions']['torch']}, {of}, load before "
        f"{found['load_before']}; {timed}."
    )
    return "\n".join(
        [*QUESTIONS[name].table(found), "", where, "", f"![{QUESTIONS[name].TITLE}](performance/{name}.svg)"]
    )


def filled(page: str, records: Mapping[str, Record]) -> str:
    """The page with every section `<!-- NAME -->` ... `<!-- end NAME -->` as the records have it."""
    for name in QUESTIONS:
        text = section(name, records[name]) if name in records else "Not measured yet."
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)"
        page, count = re.subn(pattern, lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page, flags=re.DOTALL)  # noqa: B023
        if count != 1:
            raise ValueError(f"docs/performance.md needs one section <!-- {name} --> ... <!-- end {name} -->")
    return page


def write(history: Path, page: Path, pictures: Path) -> None:
    """Bring page and pictures up to date with the history."""
    records = latest(history)
    page.write_text(filled(page.read_text(), records))
    pictures.mkdir(parents=True, exist_ok=True)
    for name, record in records.items():
        figure = QUESTIONS[name].figure(record["questions"][name])
        with style():
            figure.savefig(pictures / f"{name}.svg", metadata={"Date": None, "Creator": None})
