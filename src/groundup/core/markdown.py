"""Text of others inside Markdown."""


def cell(text: str) -> str:
    """Return `text` as it may stand in one cell of a table."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
