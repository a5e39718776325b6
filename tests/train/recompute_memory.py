"""Prints by how many bytes training steps raise the peak memory of a process, with what is recomputed as the argument says."""

import json
import sys
from typing import cast

import torch

from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import Workload
from groundup.nn.config import ModelConfig
from groundup.plan.probe import StepProbe
from groundup.train.config import Recompute, TrainConfig
from groundup.train.libraries import load_libraries
from groundup.train.memory import kept_memory

MODEL = ModelConfig(vocab_size=256, dim=128, num_layers=6, num_heads=4, num_kv_heads=4, ffn_dim=352, max_seq_len=256)

mode = cast(Recompute, sys.argv[1])
probe = StepProbe(TrainConfig(), torch.device("cpu"))
load_libraries(TrainConfig().optimizer, torch.device("cpu"))
workload = Workload(MODEL, "fp32", "sdpa", 8, 8, RowLengths.causal(256), document_mask=True, recompute=mode)
with kept_memory():
    json.dump(probe.memory_growth(workload), sys.stdout)
