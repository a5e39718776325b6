"""Exact copies, near-duplicates, repeated passages and leaks: algorithms over batches of texts and files of hashes."""

from groundup.curate.dedup.exact import FirstCopies, document_key

__all__ = ["FirstCopies", "document_key"]
