"""Failure statistics of learned dynamics: N replicas in, how often, when, how and why out."""

from lampion.analysis.stability.definition import PRESETS, Definition
from lampion.analysis.stability.failure import Cause, Failure
from lampion.analysis.stability.summary import Stability, judge

__all__ = ["PRESETS", "Cause", "Definition", "Failure", "Stability", "judge"]
