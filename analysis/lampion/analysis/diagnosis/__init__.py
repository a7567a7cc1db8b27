"""Why the energy of a run drifts, and how its forces go wrong on the way to a failure."""
