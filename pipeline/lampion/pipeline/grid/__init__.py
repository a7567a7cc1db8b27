"""`lampion study` of many models: a grid of trainings, each put to the test."""
