"""Load what training loads late, so that memory can be counted from there."""

import ctypes
import gc
import platform

import psutil
import pyarrow as pa
import torch

from groundup.artifacts.token_shards import TokenShards
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, build_model
from groundup.train.batch import Batch
from groundup.train.config import RunPrecision
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.step import TrainStep

_ROW_LEN = 32
_PRECISIONS: tuple[RunPrecision, ...] = ("fp32", "bf16")


def load_libraries(optimizer: OptimizerConfig, device: torch.device, shards: TokenShards | None = None) -> None:
    """Take a step of a toy model in two precisions, and read an index of the shards: then all that training loads late is there.

    Random states are left as they are.
    """
    if shards is not None and shards.info.sources:
        shards.index("train", shards.info.sources[0].name)
    config = ModelConfig(vocab_size=64, dim=32, num_layers=1, num_heads=1, num_kv_heads=1, ffn_dim=32, max_seq_len=_ROW_LEN)
    tokens = torch.arange(_ROW_LEN)[None]
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        for precision in _PRECISIONS:
            model = build_model(config, "sdpa")
            model.init_weights(torch.Generator().manual_seed(0))
            model.to(device)
            step = TrainStep(model, build_optimizer(model, optimizer), precision, 1.0, device)
            step([Batch(Inputs(tokens), tokens)], optimizer.peak(config))


def settled_bytes(device: torch.device) -> int:
    """Return the memory in use once all that is free has been given back to the system, as far as the C library can."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return torch.cuda.memory_allocated(device)
    pa.default_memory_pool().release_unused()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)
