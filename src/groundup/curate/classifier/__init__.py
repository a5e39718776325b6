"""A linear classifier trained on examples of what is wanted and what is not."""
