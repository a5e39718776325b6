"""Names that become names of files."""

SOURCE_NAME = r"^[a-z0-9][a-z0-9_.-]*$"
"""Pattern of a source's name: no separator and no dot in front, so that a path made of it stays in its folder."""
