"""The start of a sample, as tokens."""

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError


def encode_prompt(tokenizer: TextTokenizer, prompt: str, model_len: int) -> list[int]:
    """Return what opens a text, and the prompt's tokens.

    Raises ConfigError if they leave no room for one more in a model of `model_len` tokens.
    """
    prompt_ids = [*tokenizer.before_ids, *tokenizer.encode(prompt)]
    num_before = len(tokenizer.before_ids)
    if len(prompt_ids) >= model_len:
        raise ConfigError(
            f"evaluate.prompts: '{prompt[:30]}...' has {len(prompt_ids) - num_before:,} tokens; the model's {model_len:,} "
            f"(pretrain.seq_len) leave room for at most {model_len - 1 - num_before:,}, so shorten it"
        )
    return prompt_ids
