"""All that is needed to rebuild a model from a checkpoint."""
