"""How much raw text to collect for a number of tokens, at the yield that was measured."""

from groundup.artifacts.token_shards import Collected
from groundup.core.units import format_bytes, format_count
from groundup.estimate.raw_text import bytes_to_collect


def advice(tokens: float, collected: Collected) -> str:
    """Return in words what to collect for so many tokens, if further text is like that which was collected."""
    share, size = collected.share, collected.bytes_per_token
    kept = f"{share:.0%}" if share >= 0.1 else f"{share:.2%}"
    raw = format_bytes(bytes_to_collect(tokens, share, size))
    return f"for {format_count(tokens)} tokens at your yield of {kept} and {size:.2g} bytes a token collect {raw}"
