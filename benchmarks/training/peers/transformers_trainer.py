"""The Trainer of transformers on its GPT-2, BERT and T5, in bf16 unless said otherwise."""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import torch
from cases import BETAS, CASES, CLIP_NORM, LEARNING_RATE, MASKED_SHARE, WEIGHT_DECAY, Case
from torch.utils.data import Dataset
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
    Trainer,
    TrainingArguments,
)
from turns import hook_every_optimizer


class MadeUp(Dataset):
    """Rows of random tokens, and what is to be predicted of them."""

    def __init__(self, case: Case) -> None:
        generator = torch.Generator().manual_seed(0)
        self._case = case
        self._tokens = torch.randint(1, case.vocab, (64 * case.rows, case.length), generator=generator)
        self._targets = torch.randint(1, case.vocab, (64 * case.rows, case.target_length), generator=generator)
        self._masked = torch.rand(self._tokens.shape, generator=generator) < MASKED_SHARE

    def __len__(self) -> int:
        return len(self._tokens)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        tokens = self._tokens[row]
        if self._case.shape == "decoder":
            return {"input_ids": tokens, "labels": tokens}
        if self._case.shape == "encoder":
            hidden = self._masked[row]
            return {"input_ids": tokens.masked_fill(hidden, 1), "labels": tokens.masked_fill(~hidden, -100)}
        return {"input_ids": tokens, "labels": self._targets[row]}


def build(case: Case) -> PreTrainedModel:
    """Return the model of the case's shape, without dropout."""
    if case.shape == "decoder":
        sizes = {"n_embd": case.dim, "n_layer": case.layers, "n_head": case.heads, "n_inner": case.ffn_dim}
        free = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
        return GPT2LMHeadModel(GPT2Config(vocab_size=case.vocab, n_positions=case.length, use_cache=False, **sizes, **free))
    if case.shape == "encoder":
        return BertForMaskedLM(
            BertConfig(
                vocab_size=case.vocab,
                hidden_size=case.dim,
                num_hidden_layers=case.layers,
                num_attention_heads=case.heads,
                intermediate_size=case.ffn_dim,
                max_position_embeddings=case.length,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        )
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=case.vocab,
            d_model=case.dim,
            d_kv=case.head_dim,
            d_ff=case.ffn_dim,
            num_layers=case.layers,
            num_decoder_layers=case.layers,
            num_heads=case.heads,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            decoder_start_token_id=0,
            use_cache=False,
        )
    )


def main() -> None:
    """Train until the driver says that it is enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--fp32", action="store_true")
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    case = CASES[given.case]
    hook_every_optimizer()
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=case.rows,
            max_steps=1 << 30,
            learning_rate=LEARNING_RATE,
            adam_beta1=BETAS[0],
            adam_beta2=BETAS[1],
            weight_decay=WEIGHT_DECAY,
            max_grad_norm=CLIP_NORM,
            bf16=not given.fp32,
            torch_compile=given.compile,
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            logging_steps=50,
            disable_tqdm=True,
        )
        Trainer(model=build(case), args=settings, train_dataset=MadeUp(case)).train()


if __name__ == "__main__":
    main()
