"""Where does the time of a step go? By models that lack a part of the work, and by samples of the program counter."""

import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from matplotlib.figure import Figure

from benchmarks.drawing import stack
from benchmarks.lmp import Run, crystal, learned_pair, run_lmp
from benchmarks.models import NETWORK, carrier, nothing, random_network
from benchmarks.workshop import Workshop, in_turns
from lampion.training.model_config import ModelConfig

TITLE = "Where the time goes"
NETWORKS = {"16 channels": NETWORK, "64 channels": NETWORK.model_copy(update={"channels": 64})}
#: Whose code a sample lies in, by the name of its symbol or of its file; the first that fits.
OWNERS = {
    "matrix products": r"gemm|mkl_blas|mkl_.*mm|sgemv|dnnl|bmm|addmm",
    "graph, states and forces": r"liblampionmodel|lampionplugin",
    "kernels of the compiled model": r"\(deleted\)|aotinductor|^c[a-z0-9]{20,}",
    "neighbour list and motion": r"/lmp\b|\blmp$",
    "calls between them": r"torch|libc10|libstdc|libgomp|\[vdso\]|libc\.so|ld-linux|libc-|libm\.so|libm-",
}
Record = dict[str, Any]


def prepare(shop: Workshop) -> None:
    """Compile and write the models."""
    for config in _networks(shop).values():
        _models(shop, config)


def _networks(shop: Workshop) -> dict[str, ModelConfig]:
    return {name: config for name, config in NETWORKS.items() if config == NETWORK or not shop.quick}


def _models(shop: Workshop, config: ModelConfig) -> dict[str, Path]:
    made = {"nothing": nothing(shop, config.cutoff), "carrier": carrier(shop, config)}
    return {"network": random_network(shop, config), **made}


def measure(shop: Workshop) -> Record:
    """Pair times of the network, of a model that returns zeros and of one that only carries states, on two ranks."""
    atoms = 256 if shop.quick else 4000
    jobs = {
        (name, kind): partial(run_lmp, crystal(atoms, learned_pair(path)), shop.seconds, ranks=2)
        for name, config in _networks(shop).items()
        for kind, path in _models(shop, config).items()
    }
    found = in_turns({str(key): job for key, job in jobs.items()}, shop.rounds)
    runs = {key: _best(of) for key, of in zip(jobs, found.values(), strict=True)}
    rows = [
        {"name": name, "parts": _parts(*(runs[name, kind] for kind in ("network", "nothing", "carrier")))}
        for name in _networks(shop)
    ]
    return {"atoms": atoms, "rows": rows, "samples": _samples(shop, atoms)}


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


def _samples(shop: Workshop, atoms: int) -> list[Record]:
    """Samples of one rank by whose code they lie in; none without `perf`."""
    if not shutil.which("perf"):
        return []
    return [
        {"name": name, "parts": sampled(crystal(atoms, learned_pair(_models(shop, config)["network"])), shop)}
        for name, config in _networks(shop).items()
    ]


def sampled(text: str, shop: Workshop) -> dict[str, float]:
    """Shares of the samples of a run on one thread, by owner."""
    with TemporaryDirectory() as name:
        data = Path(name) / "perf.data"
        run_lmp(text, shop.seconds, prefix=["perf", "record", "-q", "-e", "cpu-clock", "-F", "499", "-o", str(data)])
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


def table(record: Record) -> list[str]:
    """One table of what is left without parts, one of samples."""
    lines = ["On two ranks, as shares of a step:", "", *_shares(record["rows"])]
    if record["samples"]:
        lines += ["", "On one rank, as shares of samples of the program counter:", "", *_shares(record["samples"])]
    return lines


def _shares(rows: list[Record]) -> list[str]:
    parts = list(rows[0]["parts"])
    lines = [f"| network | {' | '.join(parts)} |", f"|---|{'---:|' * len(parts)}"]
    for row in rows:
        lines.append(f"| {row['name']} | {' | '.join(f'{share:.1%}' for share in row['parts'].values())} |")
    return lines


def figure(record: Record) -> Figure:
    """Shares of the samples, or of the steps where there are none."""
    rows = record["samples"] or record["rows"]
    return stack({row["name"]: row["parts"] for row in rows}, "share of the time")
