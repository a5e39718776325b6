"""A model's blocks shared out among ranks that pass micro-batches on."""
