"""Predictions beside labels: errors, spread of committees, distance from the training set."""
