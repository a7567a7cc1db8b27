"""Can these frames be trained on: findings with their figures."""
