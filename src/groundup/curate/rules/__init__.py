"""Quality rules: what a text is measured by, published sets of bounds, and the verdict over a batch of texts."""
