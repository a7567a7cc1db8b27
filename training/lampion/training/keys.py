"""Glossary: every tensor that rooms and files exchange. Shape | dtype | unit | meaning.

Sizes: n_frames frames; n_atoms atoms of all frames together; within a graph n_nodes atoms, n_edges directed pairs.
"""

from typing import Final

# -- labelled frames: data sets of the HDF5 file, fields of `frames.Frames` -------------------------------------------
OFFSETS: Final = "offsets"  # (n_frames + 1,) | int64 | - | atoms of frame f are rows offsets[f] .. offsets[f+1]-1
TYPES: Final = "types"  # (n_atoms,) | int64 | - | index into type_names
POSITIONS: Final = "positions"  # (n_atoms, 3) | float64 | Å | relative to the box origin
VELOCITIES: Final = "velocities"  # (n_atoms, 3) | float64 | Å/ps | optional
FORCES: Final = "forces"  # (n_atoms, 3) | float64 | eV/Å | -∂E/∂r
CELL: Final = "cell"  # (n_frames, 3, 3) | float64 | Å | rows are the cell vectors; zero rows where not periodic
PBC: Final = "pbc"  # (n_frames, 3) | bool | - | periodic along each cell vector
ENERGY: Final = "energy"  # (n_frames,) | float64 | eV | potential energy of the frame
STRESS: Final = "stress"  # (n_frames, 3, 3) | float64 | eV/Å³ | -W/V, potential part only, ASE sign; optional
STEP: Final = "step"  # (n_frames,) | int64 | - | time step of the simulation the frame was taken from

# -- graphs: arguments of the model contract --------------------------------------------------------------------------
EDGE_INDEX: Final = "edge_index"  # (2, n_edges) | int64 | - | row 0: centre i (receives), row 1: neighbour j (sends)
EDGE_VECTORS: Final = "edge_vectors"  # (n_edges, 3) | model dtype | Å | r_j + S·h - r_i
NODE_ENERGIES: Final = "node_energies"  # (n_nodes,) | model dtype | eV | E = Σ_i E_i
STATE: Final = "state"  # (n_nodes, *) | model dtype | - | what nodes send between layers

# -- extended XYZ: names of the labels --------------------------------------------------------------------------------
XYZ_ENERGY: Final = "REF_energy"
XYZ_FORCES: Final = "REF_forces"
XYZ_STRESS: Final = "REF_stress"
