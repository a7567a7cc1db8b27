"""Run the suite: python -m benchmarks [--quick] [--only argon size ...]

Each question is prepared (trainings, compilations: made once and kept in the cache), then measured; every figure is
compared with others of the same run only. A run appends one record to the history, from which docs/performance.md and
its pictures are made anew.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.machine import circumstances
from benchmarks.report import HISTORY, PAGE, PICTURES, QUESTIONS, write
from benchmarks.workshop import Workshop

#: questions that train for hours: answered when they are asked for by name
HOURS = ("convergence", "deepmd", "deepmd-aluminium")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lampion-benchmarks"


def main() -> None:
    options = _options()
    shop = Workshop(
        cache=options.cache / ("quick" if options.quick else "full"),
        quick=options.quick,
        seconds=options.seconds or (0.3 if options.quick else 4.0),
        rounds=options.rounds or (1 if options.quick else 3),
        checkpoint=options.checkpoint,
        molecule=options.molecule,
        frames=options.frames,
    )
    record = circumstances() | {"quick": options.quick, "questions": {}}
    for name in _questions(options, shop):
        print(f"{name}: preparing", flush=True)
        QUESTIONS[name].prepare(shop)
        if not options.prepare:
            record["questions"][name] = _measured(name, shop)
    if options.prepare:
        return
    with options.history.open("a") as stream:
        stream.write(json.dumps(record) + "\n")
    if options.quick:
        for name, found in record["questions"].items():
            print("\n".join(["", f"## {QUESTIONS[name].TITLE}", "", *QUESTIONS[name].table(found)]))
    else:
        write(options.history, PAGE, PICTURES)
        print(PAGE)


def _questions(options: argparse.Namespace, shop: Workshop) -> list[str]:
    """Those asked for, less those that lack something, which are named."""
    wanted = options.only or [name for name in QUESTIONS if name not in HOURS]
    checks = {name: getattr(QUESTIONS[name], "missing", None) for name in wanted}
    lacking = {name: check(shop) for name, check in checks.items() if check}
    for name, need in lacking.items():
        if need:
            print(f"{name}: left out, {need}")
    return [name for name in wanted if not lacking.get(name)]


def _measured(name: str, shop: Workshop) -> dict[str, Any]:
    """Answer to one question, and how it was measured."""
    load = round(os.getloadavg()[0], 2)
    print(f"{name}: measuring, load {load}", flush=True)
    found: dict[str, Any] = QUESTIONS[name].measure(shop)
    return {"load_before": load, "seconds": shop.seconds, "rounds": shop.rounds} | found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(QUESTIONS), help="some questions; default: those of minutes")
    parser.add_argument("--quick", action="store_true", help="small systems, short trainings: tries the suite itself")
    parser.add_argument("--prepare", action="store_true", help="train and compile, measure nothing")
    parser.add_argument("--seconds", type=float, help="of each measurement, about; default: 4")
    parser.add_argument("--rounds", type=int, help="measurements of each figure; default: 3")
    parser.add_argument("--checkpoint", type=Path, help="of a molecule, for the question of replicas")
    parser.add_argument("--molecule", type=Path, help="its geometry, a file that ASE reads")
    parser.add_argument("--frames", type=Path, help="its frames, a folder of `lampion data split`")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"what is made once; default: {CACHE}")
    parser.add_argument("--history", type=Path, default=HISTORY, help="file to append the record to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
