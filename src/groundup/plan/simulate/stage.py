"""What a rank of a pipeline has, as formulas of what it sends know it."""

import numpy as np

from groundup.estimate.layout.engine.stages import EngineStages
from groundup.nn.config import ModelConfig
from groundup.train.parallel.config import Layout
from groundup.train.parallel.pipeline.split import parts


def stage_of(model: ModelConfig, layout: Layout, rank: int) -> EngineStages:
    """Return the stages of that rank, all together if it has more than one."""
    of_island = layout.world_size // layout.islands
    place = rank % of_island // (of_island // layout.pp)
    own = [part for part in parts(model, layout) if part.stage % layout.pp == place]
    runs = [run for part in own for run in part.runs]
    reading = [run for run in runs if run.stack == "decoder" or not model.num_encoder_layers]
    encoding = [run for run in runs if run not in reading]
    numbers = (
        sum(len(run.blocks) for run in runs),
        any(part.is_last for part in own),
        sum(len(run.blocks) for run in reading),
        any(part.stage == 0 for part in own),
        any(run.begins for run in reading),
        any(run.ends for run in encoding),
    )
    return EngineStages(*(np.array([number], dtype=np.float64) for number in numbers))
