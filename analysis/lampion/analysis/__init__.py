"""Room 4: dump and log in, verdict out."""

from lampion.analysis.errors import RunError
from lampion.analysis.report import write_report
from lampion.analysis.verdict import Options, analyze_run, verdict_table, write_analysis

__all__ = ["Options", "RunError", "analyze_run", "verdict_table", "write_analysis", "write_report"]
