"""Two tiny runs that show whether `lmp` works here: two ranks of native LAMMPS, and one step of a model of ours."""

import re
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

from lampion.deploy.modelfile import Manifest, ModelFileError, save_model
from lampion.pipeline.lmp.environment import InstallationError, version
from lampion.pipeline.lmp.runner import run_lammps

_EPSILON, _SIGMA, _CUTOFF = 0.0104, 3.4, 8.0  # argon, eV and Å
_DISTANCE = 3.8  # Å; not at the minimum, where a wrong distance would hardly show

_TWO_ATOMS = f"""
units metal
region box block -10 10 -10 10 -10 10
create_box 1 box
create_atoms 1 single 0 0 0
create_atoms 1 single {_DISTANCE} 0 0
mass 1 39.948
"""
_NATIVE = f"{_TWO_ATOMS}pair_style lj/cut {_CUTOFF}\npair_coeff 1 1 {_EPSILON} {_SIGMA}\nrun 0\n"
_LEARNED = f"""{_TWO_ATOMS}
pair_style lampion
pair_coeff * * ${{model}} Ar
fix 1 all nve
variable energy equal pe
run 0
print "probe energy $(v_energy:%.16g)"
run 1
"""


def _lennard_jones(distance: float) -> float:
    ratio = (_SIGMA / distance) ** 6
    return 4.0 * _EPSILON * (ratio * ratio - ratio)


PROBE_ENERGY = _lennard_jones(_DISTANCE)
"""Energy of the two atoms, 4ε((σ/r)^12 - (σ/r)^6), in eV."""


def probe_ranks(ranks: int) -> tuple[int | None, str]:
    """Run native LAMMPS on `ranks` ranks: how many worked together, or None and what went wrong."""
    screen, fault = _run(_NATIVE, ranks=ranks)
    together = re.search(r"Loop time of \S+ on (\d+) procs", screen)
    return (int(together[1]), "") if together and not fault else (None, fault or "lmp ran no step")


def probe_energy() -> tuple[float | None, str]:
    """Run one step of two argon atoms with `pair_style lampion`: their energy in eV, or None and what went wrong."""
    with TemporaryDirectory(prefix="lampion-doctor-") as folder:
        model = Path(folder) / "model.pt"
        try:
            write_probe_model(model)
        except (ImportError, RuntimeError, ModelFileError) as error:
            return None, f"no model file could be written: {error}"
        screen, fault = _run(_LEARNED, model=model)
    energy = re.search(r"^probe energy (\S+)$", screen, re.MULTILINE)
    return (float(energy[1]), "") if energy and not fault else (None, fault or "lmp printed no energy")


def _run(text: str, *, ranks: int = 1, model: Path | None = None) -> tuple[str, str]:
    """Run an input given as text in a folder of its own: what was printed, and why it failed (empty if it did not)."""
    with TemporaryDirectory(prefix="lampion-doctor-") as folder:
        script = Path(folder) / "probe.in"
        script.write_text(text, encoding="utf-8")
        variables = {"model": str(model)} if model else {}
        try:
            result = run_lammps(script, folder=Path(folder) / "run", variables=variables, ranks=ranks)
        except InstallationError as error:
            return "", str(error)
        screen = (result.folder / "screen.txt").read_text(encoding="utf-8", errors="replace")
    return screen, "" if result.ending.ok else result.ending.reason


def write_probe_model(path: Path) -> None:
    """Write a Lennard-Jones argon as a model file; torch is imported here, since nothing else in this room needs it."""
    import torch

    class LennardJones(torch.nn.Module):
        def forward(self, types: torch.Tensor, edge_index: torch.Tensor, edge_vectors: torch.Tensor) -> torch.Tensor:
            ratio = (3.4**2 / edge_vectors.square().sum(1)) ** 3
            energies = edge_vectors.new_zeros(types.shape[0])
            return energies.index_add(0, edge_index[0], 2.0 * 0.0104 * (ratio * ratio - ratio))

    versions = {name: version(name) or "unknown" for name in ("lampion", "torch")}
    manifest = Manifest(cutoff=_CUTOFF, type_names=("Ar",), n_layers=1, dtype="float64", versions=versions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript's deprecation is no news to whoever runs `lampion doctor`
        save_model(torch.jit.script(LennardJones()), manifest, path)
