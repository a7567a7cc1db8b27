"""The training: one loop in `train.py`, and what it is made of."""
