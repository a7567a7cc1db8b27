"""The `lampion` command: one verb per step of the flow, each names the file it leaves on its last line."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from lampion.pipeline.cli.data import app as data_verbs
from lampion.pipeline.cli.data import show
from lampion.pipeline.cli.diagnose import diagnose
from lampion.pipeline.cli.evaluate import evaluate
from lampion.pipeline.cli.hessian import hessian
from lampion.pipeline.cli.improve import improve
from lampion.pipeline.cli.model import check, export, info
from lampion.pipeline.cli.options import AsJson, Force, Restart
from lampion.pipeline.cli.stability import stability
from lampion.pipeline.cli.study import study
from lampion.pipeline.cli.tune import tune
from lampion.pipeline.cli.verdict import exit_by, print_verdict

#: verbs in the order of the flow
VERBS = (
    *("generate", "data", "train", "tune", "hessian", "evaluate", "export", "check", "info", "run", "analyze"),
    *("stability", "diagnose", "improve", "study", "inputs", "doctor"),
)


class InFlowOrder(TyperGroup):
    """Lists the verbs as they follow each other."""

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002
        """Names for the help."""
        return sorted(self.commands, key=VERBS.index)


app = typer.Typer(
    cls=InFlowOrder,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Machine-learned potentials that hold in production molecular dynamics: "
    "generate -> data -> train -> evaluate -> export -> lmp -> analyze.",
)
app.add_typer(data_verbs, name="data")
app.command()(export)
app.command()(check)
app.command()(info)
app.command()(hessian)
app.command()(evaluate)
app.command()(tune)
app.command()(stability)
app.command()(study)
app.command()(improve)
app.command()(diagnose)

Out = Annotated[Path, typer.Option("-o", "--out", help="Folder or file to write.")]
Variables = Annotated[
    list[str], typer.Option("--var", help="LAMMPS variable as name=value; may be repeated.", metavar="NAME=VALUE")
]
Sets = Annotated[
    list[str],
    typer.Option("--set", help="Replace a value of the config, e.g. --set model.cutoff=6.", metavar="KEY=VALUE"),
]
Ranks = Annotated[int, typer.Option("--ranks", help="MPI processes.", min=1)]
Threads = Annotated[int, typer.Option("--threads", help="Threads per process.", min=1)]


@app.command()
def generate(
    script: Annotated[Path, typer.Argument(help="LAMMPS input that writes a dump and a log, e.g. reference.in")],
    out: Out = Path("reference"),
    var: Variables = [],  # noqa: B006 - typer copies it
    types: Annotated[str | None, typer.Option(help="Elements of types 1, 2, ..., e.g. 'C H O'.")] = None,
    ranks: Ranks = 1,
    threads: Threads = 1,
    force: Force = False,
) -> None:
    """Run a reference input in lmp and turn its dump and log into checked, labelled frames."""
    from lampion.pipeline import work

    result = work.simulate(script, out, _variables(var), ranks=ranks, threads=threads, force=force)
    frames = out / "frames.h5"
    summary = work.convert(work.the_dump(out), result.log, frames, types=types)
    show(summary)
    print(frames)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="YAML training configuration")],
    data: Annotated[Path | None, typer.Argument(help="Labelled frames, in place of data.file")] = None,
    out: Out = Path("train"),
    restart: Restart = "never",
    sets: Sets = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check config and data, train nothing.")] = False,
    committee: Annotated[int, typer.Option(help="Members, in OUT/member-1, ..., with successive seeds.", min=1)] = 1,
) -> None:
    """Train a potential; leaves best.ckpt, checkpoints, metrics.jsonl and the unseen test frames."""
    from lampion.pipeline import work

    if dry_run:
        print(work.describe_training(config, data, sets))
        return
    for best in work.train(config, out, data=data, restart=restart == "auto", overrides=sets, committee=committee):
        print(best)


@app.command()
def run(
    script: Annotated[Path, typer.Argument(help="LAMMPS input")],
    out: Out = Path("run"),
    var: Variables = [],  # noqa: B006
    ranks: Ranks = 1,
    threads: Threads = 1,
    force: Force = False,
) -> None:
    """Run an input in the real lmp, pass signals on, and say how it ended."""
    from lampion.pipeline import work

    result = work.simulate(script, out, _variables(var), ranks=ranks, threads=threads, force=force)
    print(f"{result.ending.kind}: step {result.ending.last_step}, {result.seconds:.1f} s")
    print(out / "run.json")


@app.command()
def analyze(
    run_folder: Annotated[Path, typer.Argument(help="Folder with log.lammps and a dump", metavar="RUN")],
    reference: Annotated[Path | None, typer.Option(help="Folder of the same run with the reference potential")] = None,
    timesteps: Annotated[
        list[Path], typer.Option("--timestep-run", help="Run at another time step, for the dt² law; repeat")
    ] = [],  # noqa: B006
    types: Annotated[str | None, typer.Option(help="Elements of types 1, 2, ... if the dump does not say")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder to write to; default: the run's")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge a run: drift, structure, diffusion, fragments; writes analysis.json and report.html."""
    from lampion.analysis import Options, analyze_run, write_analysis, write_report

    options = Options(elements=tuple(types.split()) if types else None)
    analysis = analyze_run(run_folder, reference, timestep_runs=timesteps, options=options)
    folder = out or run_folder
    folder.mkdir(parents=True, exist_ok=True)
    write_analysis(analysis, folder / "analysis.json")
    write_report(analysis, folder / "report.html")
    if as_json:
        print(json.dumps(analysis, ensure_ascii=False))
        exit_by(analysis)
        return
    print_verdict(analysis)
    print(folder / "report.html")
    exit_by(analysis)


@app.command()
def inputs(
    system: Annotated[str | None, typer.Argument(help="System, e.g. argon; without it, the list")] = None,
    out: Out = Path(),
    force: Force = False,
) -> None:
    """Copy the shipped LAMMPS inputs, training config and study of a system for editing."""
    from lampion.pipeline.shipped import copy_inputs, systems

    if system is None:
        print("\n".join(systems()))
        return
    for path in copy_inputs(system, out, force=force):
        print(path)


@app.command()
def doctor() -> None:
    """Check Python, torch, LAMMPS, MPI and the plugin, down to one step of lmp; names cause and cure."""
    from lampion.pipeline.doctor.examination import examine

    findings = examine()
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.found}")
        if not finding.ok:
            print(f"     expected {finding.expected}. {finding.cause} {finding.cure}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(5)


def _variables(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, separator, _ in pairs:
        if not separator:
            raise typer.BadParameter(f"expected NAME=VALUE, got '{name}'", param_hint="--var")
    return {name: value for name, _, value in pairs}


def main() -> None:
    """Entry point: errors a user can cause end as one sentence and their exit code."""
    try:
        app(prog_name="lampion")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        print(f"lampion: {error}", file=sys.stderr)
        sys.exit(code)
