"""Files of a training that the report draws: metrics.jsonl and parity.npz."""

import json
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lampion.analysis.errors import RunError

Array = NDArray[np.float64]

PARITY_KEYS = ("energy_reference", "energy_predicted", "forces_reference", "forces_predicted")


def read_metrics(path: Path) -> dict[str, Array]:
    """Columns of `metrics.jsonl`, one array per key over the lines; NaN where a line lacks the key.

    A last line without its end (training was killed while writing it) is passed over.

    Raises:
        RunError: missing, empty, or a line that is no JSON object (named).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path}: cannot read the training metrics ({error.strerror})") from error
    rows = [_row(path, number, line) for number, line in enumerate(text.split("\n")[:-1], start=1) if line.strip()]
    if not rows:
        raise RunError(f"{path}: no metrics in the file; the training wrote nothing yet")
    keys = {key for row in rows for key, value in row.items() if isinstance(value, int | float)}
    return {key: np.array([row.get(key, np.nan) for row in rows], dtype=np.float64) for key in sorted(keys)}


def _row(path: Path, number: int, line: str) -> dict[str, float]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RunError(f"{path}, line {number}: not JSON ({error}); remove the line") from error
    if not isinstance(row, dict):
        raise RunError(f"{path}, line {number}: a JSON object is expected; remove the line")
    return row


def read_parity(path: Path) -> dict[str, Array]:
    """The four arrays of `parity.npz`.

    Raises:
        RunError: missing, damaged, a key missing, shapes that do not match, values that are not finite.
    """
    try:
        # Opened here: numpy leaves the file open when it is no archive.
        with path.open("rb") as file, np.load(file) as archive:
            arrays = {key: np.asarray(archive[key], dtype=np.float64) for key in PARITY_KEYS if key in archive}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: not readable as npz ({error}); run the evaluation again") from error
    if missing := [key for key in PARITY_KEYS if key not in arrays]:
        raise RunError(f"{path}: no array {', '.join(missing)}; expected {', '.join(PARITY_KEYS)}")
    for kind in ("energy", "forces"):
        _check_pair(path, kind, arrays[f"{kind}_reference"], arrays[f"{kind}_predicted"])
    return arrays


def _check_pair(path: Path, kind: str, reference: Array, predicted: Array) -> None:
    if reference.shape != predicted.shape or reference.size == 0:
        raise RunError(
            f"{path}: {kind}_reference {reference.shape} and {kind}_predicted {predicted.shape} must match "
            "and not be empty"
        )
    if not (np.isfinite(reference).all() and np.isfinite(predicted).all()):
        raise RunError(f"{path}: {kind} holds NaN or infinity; evaluate the model again")
