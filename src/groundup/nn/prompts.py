"""The start of a sample, as tokens."""

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError
from groundup.nn.config import ShapeName


def encode_prompt(
    tokenizer: TextTokenizer, prompt: str, model_len: int, shape: ShapeName, key: str = "evaluate.prompts"
) -> list[int]:
    """Return what opens a text, and the tokens of the prompt, which the setting `key` gives.

    Raises ConfigError if an encoder finds no mask in it, or if they leave no room for one more in a model of `model_len` tokens.
    """
    prompt_ids = tokenizer.encode_marked(prompt)
    if shape == "encoder" and tokenizer.mask_id not in prompt_ids:
        raise ConfigError(
            f"{key}: '{prompt[:30]}' has no mask, and an encoder does nothing but fill masks; "
            f"write {tokenizer.special.mask or 'a mask'} where a token is to be found"
        )
    num_before = len(tokenizer.before_ids)
    if len(prompt_ids) >= model_len:
        raise ConfigError(
            f"{key}: '{prompt[:30]}...' has {len(prompt_ids) - num_before:,} tokens; the model's {model_len:,} "
            f"(pretrain.seq_len) leave room for at most {model_len - 1 - num_before:,}, so shorten it"
        )
    return prompt_ids
