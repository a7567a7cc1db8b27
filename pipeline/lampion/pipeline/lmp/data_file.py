"""LAMMPS data files; see https://docs.lammps.org/read_data.html."""

from collections.abc import Sequence


def data_file(
    title: str,
    box: Sequence[str],
    masses: Sequence[float],
    atoms: Sequence[str],
    *,
    names: Sequence[str] = (),
    style: str = "",
    velocities: Sequence[str] = (),
) -> str:
    """Text of a data file.

    Args:
        title: its first line.
        box: lines of bounds and tilts; `edges` makes those of a box.
        masses: of the types 1, 2, ...
        atoms: rows of the section Atoms.
        names: of the types, as comments.
        style: the atom style, as a comment.
        velocities: rows of the section Velocities, or none.
    """
    notes = [f"  # {name}" for name in names] or [""] * len(masses)
    lines = [title, "", f"{len(atoms)} atoms", f"{len(masses)} atom types", "", *box, "", "Masses", ""]
    lines += [f"{kind} {mass:.10g}{note}" for kind, (mass, note) in enumerate(zip(masses, notes, strict=True), 1)]
    lines += ["", f"Atoms # {style}" if style else "Atoms", "", *atoms, ""]
    if velocities:
        lines += ["Velocities", "", *velocities, ""]
    return "\n".join(lines)


def edges(lengths: Sequence[float]) -> list[str]:
    """Bounds of a box from the origin to the three lengths."""
    return [f"0 {length:.17g} {axis}lo {axis}hi" for length, axis in zip(lengths, "xyz", strict=True)]
