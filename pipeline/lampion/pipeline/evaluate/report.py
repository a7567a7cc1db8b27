"""The page of an evaluation: data sets side by side, where the errors sit, whether a committee knows of them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lampion.analysis.figures import parity_energy, parity_forces
from lampion.analysis.files import write_atomically
from lampion.analysis.page import Picture, picture, render
from lampion.pipeline.evaluate import figures
from lampion.training.evaluation.predictions import Parity

Table = Mapping[str, Any]

DEFINITIONS = {
    "MAE, RMSE": "Mean absolute and root mean square of prediction minus label: energies over frames, forces over "
    "Cartesian components, stresses over their nine components.",
    "relative": "RMSE of the force components as a share of the root mean square of the labels.",
    "distance": "From an atom's environment to the nearest one of the same element in the training set: "
    "√(2 - 2 p·p') of normalised SOAP power spectra within the model's cutoff, 0 for equal, √2 for nothing in common. "
    "Of more than 8,000 training atoms of an element, a random 8,000 stand for all.",
    "outside": "Share of atoms farther from the training set than 99 % of its own atoms are from those of its other "
    "frames.",
    "factor": "Multiply the standard deviation of the committee by it to get the error to expect; 0.8 to 1.25 counts "
    "as calibrated, more is overconfident. Scale of largest likelihood of Student's t prediction interval.",
    "miscalibration": "Mean distance of the share of labels inside an interval from its level, 0 to 0.5.",
    "rank correlation": "Spearman's, between spread (or distance) and size of the error.",
}


def set_names(sets: Sequence[Table]) -> list[str]:
    """A short name per data set: the file's without suffixes, numbered where two are the same."""
    stems = [Path(values["data"]["file"]).name.split(".")[0] for values in sets]
    return [stem if stems.count(stem) == 1 else f"{stem}-{i}" for i, stem in enumerate(stems, start=1)]


def write_evaluation(sets: Sequence[Table], parities: Sequence[Parity], path: Path, *, notes: Sequence[str]) -> None:
    """Write the page, which needs no other file.

    Args:
        sets: tables of `evaluation.evaluate_sets`.
        parities: the predictions they are made from, in the same order.
        path: of the page.
        notes: sentences to show.
    """
    named = dict(zip(set_names(sets), sets, strict=True))
    drawn = [*_parity_pictures(named, parities), *_comparison_pictures(named), *_committee_pictures(named)]
    text = render(
        "lampion.pipeline.evaluate",
        "evaluation.html.j2",
        title="A learned potential beside its labels",
        model=sets[0]["model"],
        sets=named,
        elements=list(dict.fromkeys(name for values in sets for name in values["forces"]["per_element"])),
        pictures=drawn,
        notes=notes,
        definitions=DEFINITIONS,
    )
    write_atomically(path, text)


def _parity_pictures(sets: Mapping[str, Table], parities: Sequence[Parity]) -> Iterator[Picture]:
    for name, parity in zip(sets, parities, strict=True):
        there = np.isfinite(parity.energy_reference)
        if there.any():
            yield picture(
                f"Energies, {name}",
                "Predicted against reference energy per atom.",
                parity_energy(parity.energy_reference[there], parity.energy_predicted[there]),
            )
        there = np.isfinite(parity.forces_reference)
        if there.any():
            yield picture(
                f"Forces, {name}",
                "Predicted against reference force components.",
                parity_forces(parity.forces_reference[there], parity.forces_predicted[there]),
            )


def _comparison_pictures(sets: Mapping[str, Table]) -> Iterator[Picture]:
    yield picture(
        "Error by force",
        "Root mean square error of atoms whose reference force has that size.",
        figures.error_by_force({name: values["forces"]["per_norm_bin"] for name, values in sets.items()}),
    )
    novelty = {name: values["novelty"] for name, values in sets.items() if "novelty" in values}
    if novelty:
        reach = next(iter(novelty.values()))["reach"]
        yield picture(
            "Error by distance from the training set",
            "Every point is a tenth of the atoms of a set; dotted: reach of the training set.",
            figures.error_by_distance({name: values["bins"] for name, values in novelty.items()}, reach),
        )
    sizes = {name: values["by_size"] for name, values in sets.items() if "by_size" in values}
    if sizes:
        yield picture("Error by size", "Energy of whole frames by number of atoms.", figures.error_by_size(sizes))


def _committee_pictures(sets: Mapping[str, Table]) -> Iterator[Picture]:
    for key, label, unit in (
        ("energy_meV_per_atom", "energies", "meV/atom"),
        ("forces_meV_per_A", "forces", "meV/Å"),
    ):
        found = {name: values["committee"][key] for name, values in sets.items() if "committee" in values}
        found = {name: values for name, values in found.items() if values is not None}
        if found:
            yield picture(
                f"Reliability, {label}",
                "Labels inside the committee's interval of each level; below the diagonal it is overconfident.",
                figures.reliability(found),
            )
            yield picture(
                f"Spread and error, {label}",
                "Error of the committee's mean where its spread is small to large, in tenths.",
                figures.spread_and_error(found, unit),
            )
