"""Exact copies, near-duplicates, repeated passages and leaks: algorithms over batches of texts and files of hashes."""
