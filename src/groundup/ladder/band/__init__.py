"""The band of a run: what its ladder lets expect of it at each number of tokens."""
