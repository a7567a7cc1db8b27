"""All that a run of no steps computes, and how far two runs are apart."""

import numpy as np

from stock_lmp import Finished


def physics(done: Finished) -> dict[str, np.ndarray]:
    """Energy, pressure tensor (eV and bar), forces, energies and stresses per atom of a run of no steps."""
    thermo, atoms = done.thermo(), done.atoms()
    return {
        "energy": thermo["PotEng"],
        "pressure": np.stack([thermo[k] for k in ("Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz")]),
        "forces": np.stack([atoms[k] for k in ("fx", "fy", "fz")]),
        "energies": atoms["c_e"],
        "stresses": np.stack([atoms[f"c_s[{k}]"] for k in range(1, 7)]),
    }


def largest_difference(a: Finished, b: Finished, keys: tuple[str, ...] | None = None) -> float:
    """The largest difference between two runs, each quantity relative to its largest value."""
    got, expected = physics(a), physics(b)
    return max(float(np.abs(got[key] - expected[key]).max() / np.abs(expected[key]).max()) for key in keys or expected)
