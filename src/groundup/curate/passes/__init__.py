"""The passes of a curation, in the order in which `curate/run.py` makes them; each is a pure function of files."""
