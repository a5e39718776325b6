"""Decide what to train, and predict what it takes."""
