"""Collect text and keep what is good of it."""
