"""Where does the time of a step go? By models that lack a part of the work, and by samples of the program counter."""

import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from matplotlib.figure import Figure

from benchmarks.drawing import bars
from benchmarks.lmp import Run, crystal, learned_pair, run_lmp
from benchmarks.machine import cores_are_free
from benchmarks.models import NETWORK, carrier, nothing, random_network
from benchmarks.workshop import Record, Workshop, in_turns

TITLE = "Where the time goes"
#: Whose code a sample lies in, by the name of its symbol or of its file; the first that fits.
OWNERS = {
    "matrix products": r"gemm|gemv|mkl_|blas_|dnnl|check_strategy|addmm|bmm",
    "kernels of the compiled model": r"\(deleted\)|\.wrapper\.so|Sleef",
    "graph, states and forces": r"liblampionmodel|lampionplugin",
    "allocation and copies": r"libc\.so|malloc|c10::.*(Storage|Allocator)",
    "neighbour list and motion": r"liblammps|\blmp\b",
    "calls between them": r"torch|libc10|libstdc|libgomp|libmpi|ld-linux|libm\.so|\[vdso\]",
}
#: Watches `lmp` from after the warm-up to its end.
SAMPLED = 'shell "perf record -q -e cpu-clock -F 499 -o {data} -p $PPID & sleep 1"'


def prepare(shop: Workshop) -> None:
    """Compile and write the models."""
    _models(shop)


def _models(shop: Workshop) -> dict[str, Path]:
    made = {"nothing": nothing(shop, NETWORK.cutoff), "carrier": carrier(shop, NETWORK)}
    return {"network": random_network(shop, NETWORK), **made}


def measure(shop: Workshop) -> Record:
    """Shares by samples on one rank, if `perf` is here, and by difference on two, if the cores are free for them."""
    atoms = 256 if shop.quick else 4000
    free = cores_are_free() or shop.quick
    models = _models(shop)
    jobs = {
        kind: partial(run_lmp, crystal(atoms, learned_pair(path)), shop.seconds, ranks=2)
        for kind, path in models.items()
        if free
    }
    runs = {kind: _best(of) for kind, of in in_turns(jobs, shop.rounds).items()}
    record: Record = {"atoms": atoms, "rounds": shop.rounds if free else 1}
    if free:
        record["differences"] = _parts(runs["network"], runs["nothing"], runs["carrier"])
    if shutil.which("perf"):
        record["samples"] = sampled(crystal(atoms, learned_pair(models["network"])), shop)
    return record


def _best(runs: list[Run]) -> Run:
    """The one that was disturbed least."""
    return min(runs, key=lambda run: run.loop)


def _parts(network: Run, nothing: Run, carrier: Run) -> dict[str, float]:
    """Shares of a step of the network on two ranks."""
    exchange = max(carrier.pair - nothing.pair, 0.0)
    shares = {
        "arithmetic": network.pair - nothing.pair - exchange,
        "exchange of states": exchange,
        "graph and scatter": nothing.pair,
        "neighbour list": network.neigh,
        "communication": network.comm,
    }
    return {name: share / network.loop for name, share in shares.items()} | {
        "other": max(0.0, 1 - sum(shares.values()) / network.loop)
    }


def sampled(text: str, shop: Workshop) -> dict[str, float]:
    """Shares of the samples of a run on one thread, by owner."""
    with TemporaryDirectory() as name:
        data = Path(name) / "perf.data"
        run_lmp(text, shop.seconds, before=SAMPLED.format(data=data))
        command = ["perf", "report", "-i", str(data), "--stdio", "-q", "--sort", "dso,symbol", "-F", "overhead,dso,sym"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return owners(done.stdout)


def owners(report: str) -> dict[str, float]:
    """Lines `12.3%  file  [.] symbol` -> shares by owner, which add up to one."""
    shares = dict.fromkeys([*OWNERS, "other"], 0.0)
    for line in report.splitlines():
        found = re.match(r"\s*([\d.]+)%\s+(.*)", line)
        if found:
            owner = next((name for name, pattern in OWNERS.items() if re.search(pattern, found[2])), "other")
            shares[owner] += float(found[1])
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


KINDS = {"samples": "one rank, samples", "differences": "two ranks, differences"}


def table(record: Record) -> list[str]:
    """Shares of each kind, one below the other."""
    lines = ["| | part | share |", "|---|---|---:|"]
    for kind, name in KINDS.items():
        lines += [f"| {name} | {part} | {share:.1%} |" for part, share in record.get(kind, {}).items()]
    return lines


def figure(record: Record) -> Figure:
    """Shares by samples, or by difference where there are none."""
    shares = record.get("samples") or record["differences"]
    return bars({part: 100 * share for part, share in shares.items()}, "share of the time, %", logarithmic=False)
