"""How much raw text a number of tokens asks for."""


def bytes_to_collect(tokens: float, share: float, bytes_per_token: float) -> float:
    """Return the bytes of raw text of which so many tokens come: tokens x bytes a token / share of the bytes that is kept."""
    return tokens * bytes_per_token / share
