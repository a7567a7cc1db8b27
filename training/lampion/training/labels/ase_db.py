"""ASE data bases (.db, .json), row by row: https://ase-lib.org/ase/db/db.html"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import ase.db
from ase import Atoms

from lampion.training.data.frames import Frames, Source
from lampion.training.errors import DataError
from lampion.training.labels.ase_labels import LabelReader
from lampion.training.labels.read_options import NAMED_LABELS, ReadOptions


def ase_db_parts(path: Path, options: ReadOptions) -> Iterator[Frames]:
    """Labelled frames in pieces; eV and Å by ASE's convention unless SchNetPack's metadata or the user say otherwise.

    Labels are a row's calculator results, its key-value pairs or its `data`.

    Raises:
        DataError: not a data base, labels missing, or units declared twice differently.
    """
    options.only(path, *NAMED_LABELS)
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        connection = ase.db.connect(path)
        metadata = dict(connection.metadata)
    except Exception as error:  # sqlite3 and json errors, and whatever a foreign file provokes in ASE
        raise DataError(f"{path}: not a readable ASE data base ({error})") from None
    options = _with_units(path, options, metadata)
    return LabelReader(options, Source.of(path), str(path)).parts(_rows(connection))


def _rows(connection: "ase.db.core.Database") -> Iterator[Atoms]:
    for row in connection.select():
        yield row.toatoms(add_additional_information=True)


def _with_units(path: Path, options: ReadOptions, metadata: dict[str, object]) -> ReadOptions:
    """Units that SchNetPack writes into the metadata, which the user may repeat but not contradict."""
    properties = metadata.get("_property_unit_dict")
    energies = (
        {str(unit) for name, unit in properties.items() if "energy" in name} if isinstance(properties, dict) else set()
    )
    length = metadata.get("_distance_unit")
    found = ReadOptions(
        energy_unit=energies.pop() if len(energies) == 1 else None, length_unit=str(length) if length else None
    )
    for name in ("energy_unit", "length_unit"):
        declared, by_user = getattr(found, name), getattr(options, name)
        if declared and by_user and replace(found, **{name: by_user}).factors != found.factors:
            raise DataError(f"{path}: declares {name.replace('_', ' ')} {declared}, the command line {by_user}")
        if declared:
            options = replace(options, **{name: declared})
    return options
