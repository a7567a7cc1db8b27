"""MACE of mace-torch behind the model contract: built from a configuration, or taken from a file of mace-torch.

mace-torch is imported here alone, and only when a MACE is asked for: it takes seconds, and it tells torch, by an
environment variable, to run whatever code a pickle holds; that is taken back at once.
"""

import copy
import io
import os
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor, nn

from lampion.training.config.model import MaceConfig
from lampion.training.errors import CheckpointError, ConfigError
from lampion.training.models.so3 import spherical_harmonics
from lampion.training.preparation.statistics import DataStatistics

_LOADS_ANYTHING = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


class MacePotential(nn.Module):
    """A MACE of mace-torch (Batatia et al. 2022, arXiv:2206.07697) that reads edges and returns node energies.

    MACE computes its edges from positions and the shifts of periodic images; here all positions are zero and the
    shifts are the edges. Its vectors point from sender to receiver, the opposite of ours.

    Args:
        mace: `MACE` or `ScaleShiftMACE`.
        head: which of its readouts, for a model trained on several levels of theory at once.

    Attributes:
        cutoff: Å.
        type_names: chemical symbol of each type.
    """

    head: Tensor

    def __init__(self, mace: Any, head: int = 0) -> None:
        super().__init__()
        self.mace = mace
        self.n_layers = int(mace.num_interactions)
        self.cutoff = float(mace.r_max)
        self.type_names = [chemical_symbols[number] for number in mace.atomic_numbers.tolist()]
        self.register_buffer("head", torch.tensor([head]))

    def forward(self, types: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Node energies (n_nodes,), eV, those of isolated atoms included; arguments as in `keys`."""
        n_nodes, dtype, device = types.shape[0], edge_vectors.dtype, edge_vectors.device
        if n_nodes == 0:  # a rank without atoms; MACE cannot reshape nothing
            return torch.zeros([0], dtype=dtype, device=device)
        data = {
            "positions": torch.zeros([n_nodes, 3], dtype=dtype, device=device),
            "shifts": -edge_vectors,
            "edge_index": edge_index.flip(0),
            "node_attrs": nn.functional.one_hot(types, len(self.type_names)).to(dtype),
            "cell": torch.zeros([3, 3], dtype=dtype, device=device),
            "batch": torch.zeros_like(types),
            "ptr": torch.zeros([2], dtype=torch.int64, device=device),  # of one graph; only its length is read
            "head": self.head,
        }
        energies = self.mace(data, compute_force=False)["node_energy"]
        assert energies is not None  # TorchScript's view of the dictionary
        return energies.to(dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> "MacePotential":
        """A copy, made quietly: e3nn turns its generated functions into TorchScript to copy them."""
        twin = type(self).__new__(type(self))
        with _quiet():
            twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    @torch.jit.unused
    def traceable(self) -> AbstractContextManager[nn.Module]:
        """The same model within a context in which sizes can be left open; parts that are TorchScript fix them."""
        return _traceable(self)

    @torch.jit.unused
    def scripted(self) -> torch.jit.ScriptModule:
        """The TorchScript form; parts of MACE are traced and not scripted, which e3nn knows how to do."""
        from e3nn.util import jit

        twin = copy.deepcopy(self)
        with _quiet():
            twin.mace = jit.compile(twin.mace)
            return torch.jit.script(twin)


def _harmonics(l_max: int, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Spherical harmonics of e3nn, whose polar axis is y, with Σ_m Y_lm² = 1 on the unit sphere."""
    ours = spherical_harmonics(l_max, torch.stack([z, x, y], dim=-1))
    degrees = [ours[..., degree**2 : (degree + 1) ** 2] / (2 * degree + 1) ** 0.5 for degree in range(l_max + 1)]
    return torch.cat(degrees, dim=-1)


def build_mace(config: MaceConfig, statistics: DataStatistics) -> MacePotential:
    """A MACE behind the contract, with random weights, in torch's default dtype.

    Raises:
        ConfigError: a type that is no chemical element.
    """
    with _mace_torch(), _plain_python():
        return MacePotential(scale_shift_mace(config, statistics))


def scale_shift_mace(config: MaceConfig, statistics: DataStatistics) -> Any:
    """mace-torch's own `ScaleShiftMACE`, put together as `mace_run_train` does; elements ordered as the types are.

    Raises:
        ConfigError: a type that is no chemical element.
    """
    unknown = [name for name in statistics.type_names if name not in atomic_numbers]
    if unknown:
        raise ConfigError(f"model.architecture mace needs chemical elements as types, not {', '.join(unknown)}")
    with _mace_torch():
        from e3nn import o3
        from mace.modules.blocks import RealAgnosticInteractionBlock, RealAgnosticResidualInteractionBlock
        from mace.modules.models import ScaleShiftMACE

        return ScaleShiftMACE(
            r_max=config.cutoff,
            num_bessel=config.num_radial_basis,
            num_polynomial_cutoff=config.num_cutoff_basis,
            max_ell=config.max_ell,
            interaction_cls=RealAgnosticResidualInteractionBlock,
            interaction_cls_first=RealAgnosticInteractionBlock,
            num_interactions=config.num_interactions,
            num_elements=len(statistics.type_names),
            hidden_irreps=(config.num_channels * o3.Irreps.spherical_harmonics(config.max_L)).sort().irreps.simplify(),
            MLP_irreps=o3.Irreps("16x0e"),
            gate=nn.functional.silu,
            atomic_energies=np.array(statistics.energy_shift),
            avg_num_neighbors=max(1.0, statistics.n_neighbors),
            atomic_numbers=[atomic_numbers[name] for name in statistics.type_names],
            correlation=config.correlation,
            radial_MLP=[64, 64, 64],
            atomic_inter_scale=statistics.force_scale,
            atomic_inter_shift=0.0,
        )


def is_mace_file(path: Path) -> bool:
    """Whether a file is a pickled model of mace-torch, judged by the names in it: nothing is executed."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile, pickle.UnpicklingError):
        return False
    return any(name.startswith("mace.") for name in names)


def load_mace(path: Path, head: str | None = None) -> MacePotential:
    """A model that `mace_run_train` or a foundation model's authors have saved. **Runs whatever code the file holds.**

    Args:
        path: the pickle.
        head: name of the readout, needed if there are several and none is called Default.

    Raises:
        CheckpointError: not a `MACE` or `ScaleShiftMACE`, or it needs inputs LAMMPS does not give, or another head.
    """
    with _mace_torch():
        from mace.modules.models import MACE, ScaleShiftMACE

        mace = torch.load(path, map_location="cpu", weights_only=False)
    if type(mace) not in (MACE, ScaleShiftMACE):
        raise CheckpointError(f"{path}: holds a {type(mace).__name__}; expected MACE or ScaleShiftMACE of mace-torch")
    if getattr(mace, "embedding_specs", None):
        raise CheckpointError(f"{path}: needs {', '.join(mace.embedding_specs)} per atom, which LAMMPS does not give")
    return MacePotential(mace, _head_index(path, getattr(mace, "heads", ["Default"]), head)).eval()


def _head_index(path: Path, heads: list[str], name: str | None) -> int:
    wanted = heads[0] if name is None and len(heads) == 1 else name or "Default"
    matches = [index for index, head in enumerate(heads) if head.lower() == wanted.lower()]
    if not matches:
        raise CheckpointError(f"{path}: has no head {wanted}; choose one by --head: {', '.join(heads)}")
    return matches[0]


@contextmanager
def _mace_torch() -> Iterator[None]:
    """Import mace-torch within; torch's care with pickles is restored afterwards."""
    before = os.environ.get(_LOADS_ANYTHING)
    try:
        with _quiet():
            with redirect_stdout(io.StringIO()):  # it prints which accelerators it has not found
                import mace.modules  # noqa: F401 - sets the variable
            yield
    finally:
        os.environ.pop(_LOADS_ANYTHING, None)
        if before is not None:
            os.environ[_LOADS_ANYTHING] = before


@contextmanager
def _traceable(model: MacePotential) -> Iterator[MacePotential]:
    from e3nn.o3 import _spherical_harmonics as e3nn_module

    before = e3nn_module._spherical_harmonics
    e3nn_module._spherical_harmonics = _harmonics
    try:
        yield _without_torchscript(model)
    finally:
        e3nn_module._spherical_harmonics = before


def _without_torchscript(model: MacePotential) -> MacePotential:
    """A model from a file, in which e3nn's generated functions are TorchScript, put together anew with its weights."""
    if not any(isinstance(part, torch.jit.ScriptModule) for part in model.modules()):
        return model
    with _mace_torch(), _plain_python(), _quiet():
        from mace.tools.scripts_utils import extract_config_mace_model

        config = extract_config_mace_model(model.mace)
        if "error" in config:  # a MACE without scale and shift; torch's tracer will say what it cannot do
            return model
        mace = type(model.mace)(**config).to(next(model.parameters()).dtype)
        mace.load_state_dict(model.mace.state_dict())
    return MacePotential(mace, int(model.head)).eval()


@contextmanager
def _plain_python() -> Iterator[None]:
    """Build e3nn's generated functions without TorchScript, which recompiles for every new shape of a training."""
    import e3nn

    before = e3nn.get_optimization_defaults()
    e3nn.set_optimization_defaults(jit_script_fx=False)
    try:
        yield
    finally:
        e3nn.set_optimization_defaults(**before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of e3nn and of TorchScript's deprecation, which no user of ours can act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
