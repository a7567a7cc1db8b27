"""The files of a stability run: what was asked for, starts, working folders of `lmp`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lampion.pipeline.lmp.replay import newest_restart
from lampion.pipeline.lmp.runner import RECORD


@dataclass(frozen=True)
class Folder:
    """The files of one stability run, or of one replica of a periodic system."""

    path: Path

    @property
    def start(self) -> Path:
        """Replicas as LAMMPS reads them."""
        return self.path / "start.data"

    @property
    def plan(self) -> Path:
        """What was asked for and how many starts were dropped; written last."""
        return self.path / "plan.json"

    @property
    def prepared(self) -> dict[str, Any]:
        """Content of the plan."""
        found: dict[str, Any] = json.loads(self.plan.read_text())
        return found

    @property
    def control(self) -> "Folder":
        """The same of the reference."""
        return Folder(self.path / "reference")

    @property
    def run(self) -> Path:
        """Working folder of `lmp`; of a periodic system what the replicas' runs wrote, put together."""
        return self.path / "run"

    def replica(self, number: int) -> "Folder":
        """Start and run of one replica of a periodic system, the first being 1."""
        return Folder(self.path / "replicas" / f"{number:04d}")

    @property
    def parts(self) -> list["Folder"]:
        """The folders in which `lmp` runs: one of its own for every replica of a periodic system."""
        boxes: int = self.prepared.get("boxes", 0)
        return [self.replica(number) for number in range(1, boxes + 1)] or [self]

    @property
    def newest_restart(self) -> Path | None:
        """The last restart file that was written to its end."""
        return newest_restart(self.run)

    def finished(self, steps: int) -> bool:
        """Whether `lmp` came to the last step, or to the failure of the last replica, in this folder's own run.

        Energies that are no numbers, in the sum over all replicas, are the affair of the one that is taken out.
        """
        record = self.run / RECORD
        ending = json.loads(record.read_text()).get("ending", {}) if record.exists() else {}
        to_the_end = ending.get("kind") in ("complete", "nan") and ending["last_step"] == steps
        return to_the_end or "replicas have failed" in ending.get("reason", "")
