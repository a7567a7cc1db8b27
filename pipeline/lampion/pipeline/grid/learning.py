"""Which trainings of a study are worth testing: those that neither failed to learn nor learned by heart."""

import json
from pathlib import Path

import numpy as np

#: share of the epochs that counts as the beginning, and as the end, of a training
ENDS = 0.1
#: the training loss falls if at the end it is below this share of what it was in the first epoch
FALLEN = 0.5
#: the validation error rises if at the end it is above so many times its lowest level
RISEN = 1.5


def why_left_out(metrics: Path) -> str | None:
    """Why a model of a study is not tested, None if it is.

    Levels are medians over a tenth of the epochs, so that the noise of single ones does not decide.

    Args:
        metrics: `metrics.jsonl` of the training.
    """
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    train = np.array([row["train_loss"] for row in rows])
    valid = np.array([row["valid_score"] for row in rows])
    width = max(1, round(ENDS * len(rows)))
    end = float(np.median(train[-width:]))
    if end > FALLEN * train[0] and len(rows) > 1:
        return f"under-trained: the training loss went from {train[0]:.3g} to {end:.3g} only"
    levels = [float(np.median(valid[k : k + width])) for k in range(len(valid) - width + 1)]
    if levels[-1] > RISEN * min(levels):
        return f"over-fitted: the validation error rose from {min(levels):.3g} to {levels[-1]:.3g}"
    return None
