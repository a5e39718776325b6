"""Tokenizers that other tools wrote."""

from groundup.artifacts.tokenizer_formats.read import find_tokenizer, read_tokenizer, tokenizer_files

__all__ = ["find_tokenizer", "read_tokenizer", "tokenizer_files"]
