"""Code fused by hand for the equivariant potential: C++ templates in `source`, filled with a model's sizes and weights.

Where torch's compiler makes one loop per operation and keeps what passes between them in memory, this code takes a few
atoms through a whole layer while they lie in the first cache, and reads radial functions from tables. It computes what
`EquivariantPotential` computes, in float32, and is checked against it whenever it is made.
"""
