"""Formulas and catalogues, without torch."""
