"""Scaling laws fitted to tables of runs: which law, by which objective, how sure."""
