"""The networks, from edges to energies, and what is predicted with them."""
