"""From a budget to a model: published laws of size and tokens, and what follows from them."""
