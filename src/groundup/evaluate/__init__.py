"""Measure what a model has learned."""
