"""Checkpoints of many ranks."""
