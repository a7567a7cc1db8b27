"""`lampion stability`: replicas of a molecule or of a bulk system, run and judged."""
