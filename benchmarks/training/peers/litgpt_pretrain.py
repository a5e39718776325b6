"""litgpt's pretraining as it comes: bf16-mixed, compiled; GPT-2's matrices with rotary positions."""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import torch
from cases import BETAS, CASES, CLIP_NORM, LEARNING_RATE, WEIGHT_DECAY, Case
from litgpt.args import EvalArgs, TrainArgs
from litgpt.config import Config
from litgpt.data import DataModule
from litgpt.pretrain import setup
from torch.utils.data import DataLoader
from turns import hook_every_optimizer


class MadeUp(DataModule):
    """Rows of random tokens."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self._rows = list(torch.randint(case.vocab, (64 * case.rows, case.length + 1), generator=generator))
        self._batch = case.rows

    def connect(self, tokenizer: object = None, batch_size: int = 1, max_seq_length: int | None = None, **_: object) -> None:
        self._batch = batch_size

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self._rows, batch_size=self._batch, drop_last=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self._rows[: 2 * self._batch], batch_size=self._batch)


def main() -> None:
    """Pretrain until the driver says that it is enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    case = CASES[parser.parse_args().case]
    config = Config(
        name="made-up",
        block_size=case.length,
        vocab_size=case.vocab,
        padded_vocab_size=case.vocab,
        n_layer=case.layers,
        n_head=case.heads,
        n_embd=case.dim,
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="LayerNorm",
        mlp_class_name="GptNeoxMLP",
        intermediate_size=case.ffn_dim,
    )
    train = TrainArgs(
        save_interval=None,
        log_interval=1,
        global_batch_size=case.rows,
        micro_batch_size=case.rows,
        max_tokens=1 << 40,
        max_seq_length=case.length,
        max_norm=CLIP_NORM,
        min_lr=4e-5,
        lr_warmup_steps=100,
        tie_embeddings=True,
    )
    optimizer = {
        "class_path": "torch.optim.AdamW",
        "init_args": {"lr": LEARNING_RATE, "weight_decay": WEIGHT_DECAY, "betas": list(BETAS)},
    }
    hook_every_optimizer()
    with tempfile.TemporaryDirectory() as folder:
        setup(
            "made-up",
            model_config=config,
            out_dir=Path(folder),
            data=MadeUp(case),
            train=train,
            eval=EvalArgs(interval=1 << 30, max_iters=1),
            optimizer=optimizer,
            devices=1,
            logger_name="csv",
        )


if __name__ == "__main__":
    main()
