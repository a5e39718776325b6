"""Runs that heal: spikes found, steps skipped, states gone back to."""
