"""The start of a sample, as tokens."""

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError


def encode_prompt(tokenizer: TextTokenizer, prompt: str, model_len: int) -> list[int]:
    """Return an end-of-document token, which opens a document, and the prompt's tokens.

    Raises ConfigError if they leave no room for one more in a model of `model_len` tokens.
    """
    prompt_ids = [tokenizer.eos_id, *tokenizer.encode(prompt)]
    if len(prompt_ids) >= model_len:
        raise ConfigError(
            f"evaluate.prompts: '{prompt[:30]}...' has {len(prompt_ids) - 1:,} tokens; the model's {model_len:,} "
            f"(pretrain.seq_len) leave room for at most {model_len - 2:,}, so shorten it"
        )
    return prompt_ids
