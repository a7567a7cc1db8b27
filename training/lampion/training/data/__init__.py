"""Labelled frames: in memory, on disk, as graphs."""
