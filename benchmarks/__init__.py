"""The suite of benchmarks, one module a question: `python -m benchmarks --help`."""
