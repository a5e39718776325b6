"""Ship a model to other tools."""
