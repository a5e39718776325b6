"""Text to the ids of a tokenizer at the speed of the fastest library that gives the same ones."""

from groundup.artifacts.fast_encoder.encoder import FastEncoder

__all__ = ["FastEncoder"]
