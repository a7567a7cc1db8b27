"""A study: reference data -> potential -> model file -> dynamics -> verdict, stage by stage in one folder."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from lampion.analysis import Options, analyze_run, write_analysis, write_report
from lampion.deploy.export import export_checkpoint
from lampion.deploy.modelfile import read_manifest
from lampion.pipeline import work
from lampion.pipeline.evaluate.evaluation import Options as EvaluationOptions
from lampion.pipeline.evaluate.evaluation import evaluate_sets, write_parity
from lampion.pipeline.records import write_json
from lampion.pipeline.study.config import StudyFiles
from lampion.pipeline.study.model_form import file_name, machine_of
from lampion.pipeline.study.stages import Stage, StageRecord
from lampion.training.evaluation.error_tables import overall_errors

FEMTOSECONDS = 1000.0  # per ps


class Study:
    """The stages of one study and the files between them.

    Args:
        files: study, training config and LAMMPS inputs.
        folder: where everything is written.
    """

    def __init__(self, files: StudyFiles, folder: Path) -> None:
        self.files, self.config, self.folder = files, files.config, folder.resolve()
        self.start = self.folder / "reference" / files.start
        self.frames = self.folder / "frames.h5"
        self.checkpoint = self.folder / "train" / "best.ckpt"
        self.test = self.folder / "train" / "test.h5"
        self.model = self.folder / file_name(self.config.compiled)
        self.errors, self.parity = self.folder / "test-errors.json", self.folder / "parity.npz"
        self.learned, self.reference = self.folder / "md", self.folder / "md-reference"

    def stages(self) -> list[Stage]:
        """All stages in the order of the data."""
        return [
            self._generate(),
            Stage("label", self._label, (self.folder / "reference" / "log.lammps",), (self.frames,)),
            self._train(),
            Stage("export", self._export, (self.checkpoint,), (self.model,), machine_of(self.config.compiled)),
            Stage("evaluate", self._evaluate, (self.model, self.test), (self.errors, self.parity)),
            self._dynamics("reference dynamics", self.reference, self.config.md),
            self._dynamics("learned dynamics", self.learned, self.config.md, model=self.model),
            *(self._timestep(dt, learned) for learned in (False, True) for dt in self.config.timesteps),
        ]

    def conclude(self, record: StageRecord) -> dict[str, Any]:
        """Analyse, write analysis.json, report.html and summary.json; returns the analysis."""
        manifest = read_manifest(self.model)
        analysis = analyze_run(
            self.learned,
            self.reference,
            timestep_runs=[self._timestep_folder(dt, True) for dt in self.config.timesteps],
            reference_timestep_runs=[self._timestep_folder(dt, False) for dt in self.config.timesteps],
            options=Options(shortest_pairs=_too_close(manifest.training["shortest_distance"])),
        )
        write_analysis(analysis, self.folder / "analysis.json")
        write_report(
            analysis,
            self.folder / "report.html",
            title=self.config.title,
            metrics=self.folder / "train" / "metrics.jsonl",
            parity=self.parity,
            seconds=record.seconds,
        )
        write_json(self.folder / "summary.json", self._summary(analysis, record))
        return analysis

    def _summary(self, analysis: dict[str, Any], record: StageRecord) -> dict[str, Any]:
        errors = json.loads(self.errors.read_text())
        return {
            "force_mae_meV_per_A": errors["forces_mae_meV_per_A"],
            "energy_mae_meV_per_atom": errors["energy_mae_meV_per_atom"],
            **{
                name: analysis[name]
                for name in ("drift_meV_per_atom_per_ps", "rdf_mae", "rdf_noise", "close_pairs", "passed")
            },
            "timestep_law_deviation": {
                side: law["deviation"] for side, law in analysis["timestep_law"].items() if law is not None
            },
            "seconds": record.seconds,
        }

    def _generate(self) -> Stage:
        script, folder = self.files.inputs / "reference.in", self.folder / "reference"
        run = partial(work.simulate, script, folder, self.config.reference, force=True)
        return Stage(
            "generate", run, (script,), (folder / "log.lammps", self.start), dict(self.config.reference), folder
        )

    def _label(self) -> None:
        reference = self.folder / "reference"
        work.convert(work.the_dump(reference), reference / "log.lammps", self.frames)

    def _train(self) -> Stage:
        folder = self.checkpoint.parent
        return Stage(
            "train",
            partial(
                work.train, self.files.training, folder, data=self.frames, restart=True, overrides=self.files.overrides
            ),
            (self.files.training, self.frames),
            (self.checkpoint, self.test, folder / "metrics.jsonl"),
            {"overrides": self.files.overrides},
            folder,
        )

    def _export(self) -> None:
        export_checkpoint(self.checkpoint, self.model)

    def _evaluate(self) -> None:
        found = evaluate_sets(self.model, [self.test], EvaluationOptions()).parities[0]
        write_parity(found, self.parity)
        write_json(self.errors, overall_errors(found))

    def _dynamics(self, name: str, folder: Path, variables: work.Variables, *, model: Path | None = None) -> Stage:
        script = self.files.inputs / ("md.in" if model else "md-reference.in")
        values = {**variables, "start": str(self.start), **({"model": str(model)} if model else {})}
        ranks = self.config.ranks if model else 1
        run = partial(work.simulate, script, folder, values, ranks=ranks, force=True)
        inputs = (script, self.start, *([model] if model else []))
        return Stage(name, run, inputs, (folder / "log.lammps",), {"variables": values, "ranks": ranks}, folder)

    def _timestep(self, dt: float, learned: bool) -> Stage:
        steps = round(self.config.timestep_ps * FEMTOSECONDS / dt)
        variables = {"dt": dt, "steps": steps, "every": max(1, steps // 100)}
        name = f"{'learned' if learned else 'reference'} dynamics, dt {dt:g} fs"
        return self._dynamics(
            name, self._timestep_folder(dt, learned), variables, model=self.model if learned else None
        )

    def _timestep_folder(self, dt: float, learned: bool) -> Path:
        return self.folder / "timestep" / f"{'learned' if learned else 'reference'}-{dt:g}fs"


def _too_close(shortest: dict[str, float]) -> dict[str, float]:
    """Distances below which a pair was never seen: a tenth under the shortest of the training data."""
    return {pair: 0.9 * distance for pair, distance in shortest.items()}
