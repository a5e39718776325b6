"""A rank of a launch that times steps for its plan: `pace_worker.py LAYOUT`; the first prints them (plan/test_together.py)."""

import json
import sys

import torch

from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import Workload
from groundup.nn.config import ModelConfig
from groundup.plan.together import SteppingTogether, take_part
from groundup.train.config import TrainConfig
from groundup.train.parallel.config import Layout
from groundup.train.parallel.crew import Crew, are_waiting
from groundup.train.parallel.world import launched

SIZES = {"vocab_size": 64, "dim": 32, "num_heads": 2, "num_kv_heads": 2, "ffn_dim": 64, "max_seq_len": 16}
TRAIN = TrainConfig.parse({"seq_len": 16, "batch_tokens": 128, "steps": 1, "precision": "fp32"}, "pretrain")


def of_depth(num_layers: int) -> Workload:
    """Return steps of four micro-batches."""
    model = ModelConfig.model_validate({**SIZES, "num_layers": num_layers})
    return Workload(model, "fp32", "sdpa", 2, 8, RowLengths.causal(16), document_mask=True)


def main(layout: Layout) -> None:
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "one of several processes"
    crew = Crew(world)
    with crew.at_work():
        if world.is_first:
            assert are_waiting(world)
            stepping = SteppingTogether(world, TRAIN, layout, 1)
            times_s = [stepping.step_seconds([of_depth(1), of_depth(2)], 0.1) for _ in range(2)]
            sys.stdout.write(json.dumps({"times_s": times_s}) + "\n")
        else:
            assert not crew.called(take_part), "the first is done without training"


if __name__ == "__main__":
    main(Layout.model_validate_json(sys.argv[1]))
