"""Where does the time of a step go? By samples of the program counter."""

import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from matplotlib.figure import Figure

from benchmarks.drawing import bars
from benchmarks.lmp import crystal, learned_pair, run_lmp
from benchmarks.models import NETWORK, random_network
from benchmarks.workshop import Record, Workshop

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


def missing(shop: Workshop) -> str:  # noqa: ARG001 - asked of every question
    """What the system lacks."""
    return "" if shutil.which("perf") else "needs perf"


def prepare(shop: Workshop) -> None:
    """Compile."""
    random_network(shop, NETWORK)


def measure(shop: Workshop) -> Record:
    """Shares on one rank."""
    atoms = 256 if shop.quick else 4000
    pair = learned_pair(random_network(shop, NETWORK))
    return {"atoms": atoms, "rounds": 1, "samples": sampled(crystal(atoms, pair), shop)}


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


def table(record: Record) -> list[str]:
    """One row a part."""
    return [
        "| part | share |",
        "|---|---:|",
        *(f"| {part} | {share:.1%} |" for part, share in record["samples"].items()),
    ]


def figure(record: Record) -> Figure:
    """Shares as bars."""
    shares = {part: 100 * share for part, share in record["samples"].items()}
    return bars(shares, "share of the time, %", logarithmic=False)
