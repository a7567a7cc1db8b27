"""What each figure of analysis.json means, in one sentence; the report prints them."""

DEFINITIONS = {
    "complete": (
        "All steps of the last `run` were done, the log closes with `Loop time`, "
        "and every number in log and dump is finite."
    ),
    "drift_meV_per_atom_per_ps": (
        "Least-squares slope of the conserved energy per atom against time, with a 95 % moving-block bootstrap "
        "interval. Conserved: |slope| below the limit, or an interval that contains zero."
    ),
    "energy_fluctuation_meV_per_atom": "Root mean square of the conserved energy per atom about that line.",
    "timestep_law": (
        "Largest |1 - (δE_k/δE_k+1)/(dt_k/dt_k+1)²| over successive time steps, δE the standard deviation of the "
        "energy. Zero for forces that are the derivative of the energy; 0.75 when the energy error ignores halving."
    ),
    "rdf_mae": (
        "Mean over r of |g_learned(r) - g_reference(r)|, in bins of 0.1 Å up to the smaller of 10 Å and half the box; "
        "that of the worst pair."
    ),
    "rdf_noise": "The value of rdf_mae that two runs of the same potential would show by their finite length alone.",
    "close_pairs": (
        "Pairs closer than a physical minimum, summed over frames; "
        "the limit is 0.7 times the sum of covalent radii unless given."
    ),
    "fragments": (
        "Frames whose count of molecules by formula differs from the expected one. Molecules are the connected "
        "components of the graph of bonds r_ij < 1.2 times the sum of covalent radii; there are none to judge where "
        "bonds run through the whole box, as in a metal."
    ),
    "temperature_K": "Mean over the run with the 95 % Student interval of ten block means.",
    "pressure_bar": "Mean over the run with the 95 % Student interval of ten block means.",
    "diffusion_A2_per_ps": (
        "One sixth of the slope of the mean-square displacement; interval from five segments of the run. "
        "1 Å²/ps = 10⁻⁸ m²/s."
    ),
}
