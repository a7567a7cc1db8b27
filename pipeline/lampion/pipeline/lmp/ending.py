"""How a LAMMPS run ended, judged from its exit status and from what it printed.

Exit status 0 is not success: `fix halt ... error soft`, `timer timeout` and `thermo_modify lost ignore` with every atom
gone all end with 0. A run is complete when every run command reached its last step, the number of atoms is the one the
input made, every thermo entry is a finite number, and LAMMPS came to the end of its input.
"""

from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Literal

from lampion.pipeline.lmp.log import LogScan, scan_log

Kind = Literal["complete", "lost atoms", "halted", "killed", "nan", "error", "incomplete"]

_EXIT_CODES: dict[Kind, int] = {
    "complete": 0,
    "error": 2,
    "lost atoms": 4,
    "nan": 4,
    "halted": 4,
    "killed": 5,
    "incomplete": 5,
}


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    `kind`: complete, lost atoms, halted (fix halt or the timer), killed (by a signal), nan (a thermo entry is not
    finite), error (LAMMPS stopped with an error), incomplete (it stopped without saying why). `reason` is one sentence,
    `last_step` the last time step in the log, `signal` the number of the signal that ended it.
    """

    kind: Kind
    reason: str
    last_step: int | None = None
    signal: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the run did everything its input asked for."""
        return self.kind == "complete"

    @property
    def exit_code(self) -> int:
        """What the command exits with: 130 after Ctrl-C, 75 after SIGTERM (a queue's limit), else by kind."""
        if self.kind == "killed":
            return {int(SIGINT): 130, int(SIGTERM): 75}.get(self.signal or 0, _EXIT_CODES["killed"])
        return _EXIT_CODES[self.kind]


def classify(log: Path, *, status: int | None = None, asked: Signals | None = None) -> Ending:
    """Judge how the run that wrote `log` ended; the log may be cut off anywhere, or missing.

    `log` is a LAMMPS log, or the captured screen of a run with `-echo both`, which also holds what MPI said. `status`
    is the exit status as `subprocess` gives it (-9 for SIGKILL), None when it is not known. `asked` is the signal with
    which the run was told to stop, if it was.
    """
    return classify_scan(scan_log(log), status=status, asked=asked)


def classify_scan(scan: LogScan, *, status: int | None = None, asked: Signals | None = None) -> Ending:
    """Judge a log that has been scanned already; see `classify`."""
    kind, reason, signal = _verdict(scan, status, asked)
    return Ending(kind, reason, scan.last_step, signal)


def _verdict(scan: LogScan, status: int | None, asked: Signals | None) -> tuple[Kind, str, int | None]:
    signal = scan.signal or (-status if status is not None and status < 0 else None)
    if asked and (signal or status != 0):
        return "killed", f"stopped on request by {asked.name} {_where(scan)}", int(asked)
    # A NaN comes before whatever it led to: a crash, an error, lost atoms.
    physics = _not_a_number(scan) or _lost_atoms(scan)
    if physics:
        return *physics, signal
    if signal:
        return "killed", f"killed by {_signal_name(signal)} {_where(scan)}", signal
    return *(_stopped(scan) or _bad_status(scan, status) or _unfinished(scan) or _complete(scan)), None


def _not_a_number(scan: LogScan) -> tuple[Kind, str] | None:
    if scan.nonfinite:
        step, column = scan.nonfinite
        at = "in the thermo output" if step is None else f"at step {step}"
        return "nan", f"{column} is not a finite number {at}: the atoms overlap or the dynamics blew up before it"
    if scan.error and "Non-numeric" in scan.error:
        return "nan", f"LAMMPS stopped {_where(scan)}: {scan.error}"
    return None


def _lost_atoms(scan: LogScan) -> tuple[Kind, str] | None:
    if scan.lost is None:
        return None
    before, after = scan.lost
    return "lost atoms", f"{before - after} of {before} atoms were lost; the last step in the log is {scan.last_step}"


def _stopped(scan: LogScan) -> tuple[Kind, str] | None:
    if scan.error:
        command = f" (last command: {scan.error_command})" if scan.error_command else ""
        return "error", f"LAMMPS stopped {_where(scan)}: {scan.error}{command}"
    if scan.halt:
        stopped = next((block.command for block in scan.blocks if not block.reached), "the run")
        return "halted", f"'{stopped}' ended early: {scan.halt}"
    return None


def _bad_status(scan: LogScan, status: int | None) -> tuple[Kind, str] | None:
    if not status:
        return None
    return "error", f"lmp ended with exit status {status} {_where(scan)}; its last words: {scan.last_line or '(none)'}"


def _unfinished(scan: LogScan) -> tuple[Kind, str] | None:
    for block in scan.blocks:
        # A command that never printed a step is either text from `print` or is caught by the missing end below.
        if block.first_step is not None and not block.reached:
            return "incomplete", f"'{block.command}' did not reach its last step: it ended {_where(scan)}"
    if not scan.finished:
        return "incomplete", f"the log stops {_where(scan)} without the end of the run; its last line: {scan.last_line}"
    return None


def _complete(scan: LogScan) -> tuple[Kind, str]:
    return "complete", f"every run command reached its last step, {_where(scan)}"


def _where(scan: LogScan) -> str:
    return "before the first step" if scan.last_step is None else f"at step {scan.last_step}"


def _signal_name(number: int) -> str:
    known = {int(signal) for signal in Signals}
    return Signals(number).name if number in known else f"signal {number}"
