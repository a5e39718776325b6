"""Matrices shared out among ranks that work on the same text (tensor and sequence parallelism)."""
