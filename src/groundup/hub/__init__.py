"""Bring in checkpoints of other tools."""
