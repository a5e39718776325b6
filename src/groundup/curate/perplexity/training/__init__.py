"""The n-gram model, learned from reference text."""
