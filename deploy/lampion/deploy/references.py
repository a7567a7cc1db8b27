"""What to cite for a model: BibTeX entries that travel in the model file."""

_LAMMPS = (
    "@article{LAMMPS, author={Thompson, A. P. and others}, title={LAMMPS - a flexible simulation tool for "
    "particle-based materials modeling at the atomic, meso, and continuum scales}, journal={Comp. Phys. Comm.}, "
    "volume={271}, pages={10817}, year={2022}, doi={10.1016/j.cpc.2021.108171}}"
)
_MACE = (
    "@article{MACE, author={Batatia, Ilyes and others}, title={MACE: Higher Order Equivariant Message Passing Neural "
    "Networks for Fast and Accurate Force Fields}, journal={Adv. Neural Inf. Process. Syst.}, volume={35}, "
    "year={2022}, eprint={2206.07697}}"
)
_E3X = (
    "@article{E3x, author={Unke, Oliver T. and Maennel, Hartmut}, title={E3x: E(3)-Equivariant Deep Learning Made "
    "Easy}, year={2024}, eprint={2401.07595}}"
)
_SGDML = (
    '@article{sGDML, author={Chmiela, Stefan and Sauceda, Huziel E. and M{\\"u}ller, Klaus-Robert and Tkatchenko, '
    "Alexandre}, title={Towards exact molecular dynamics simulations with machine-learned force fields}, "
    "journal={Nat. Commun.}, volume={9}, pages={3887}, year={2018}, doi={10.1038/s41467-018-06169-2}}"
)
_OF_ARCHITECTURE = {
    "equivariant": (_LAMMPS, _MACE),
    "mace": (_LAMMPS, _MACE),
    "e3x": (_LAMMPS, _E3X),
    "sgdml": (_LAMMPS, _SGDML),
}


def of_architecture(architecture: str) -> tuple[str, ...]:
    """Entries for a value of `model.architecture`, or "sgdml"."""
    return _OF_ARCHITECTURE.get(architecture, (_LAMMPS,))
