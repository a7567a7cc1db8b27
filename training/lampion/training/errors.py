"""Errors a user can cause; the command line prints their text and exits with their code."""


class ConfigError(ValueError):
    """A configuration or an argument that cannot be used."""

    exit_code = 2


class DataError(ValueError):
    """Labelled data that is damaged, inconsistent or in the wrong units."""

    exit_code = 3


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or does not belong to this run."""

    exit_code = 3


class StorageError(OSError):
    """A file that cannot be written: the disk is full, the folder is read-only."""

    exit_code = 5


class LostProcessError(RuntimeError):
    """Another process of the same training has ended."""

    exit_code = 75


class DivergedError(ArithmeticError):
    """A training whose loss or metric is not a number any more."""

    exit_code = 4
