"""Perplexity: how well a small n-gram model of good text foresees a document."""
