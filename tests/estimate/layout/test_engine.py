"""The engine's stages and what each holds, against the engine's own cut and the count of parameters."""

from dataclasses import fields

import numpy as np
import pytest

from groundup.estimate.flops import block_flops, head_flops
from groundup.estimate.hardware import find_hardware
from groundup.estimate.layout.engine.held import held_by
from groundup.estimate.layout.engine.stages import engine_stages
from groundup.estimate.layout.grid import Grid
from groundup.estimate.layout.problem import Problem
from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset, presets
from groundup.plan.simulate.stage import stage_of
from groundup.train.parallel.config import Layout
from groundup.train.parallel.pipeline.split import even_cut

A100 = find_hardware("a100-80")


def problem_of(model: ModelConfig, devices: int = 1) -> Problem:
    return Problem(model, RowLengths.causal(model.max_seq_len), 64, A100, devices)


@pytest.mark.parametrize("name", presets())
def test_one_process_holds_all_parameters(name: str) -> None:
    model = find_preset(name).config
    grid = Grid.of([Layout()])
    held = held_by(model, grid, engine_stages(problem_of(model), grid.pp)[0])
    assert held.total[0] == total_parameters(model)


@pytest.mark.parametrize("name", ["gpt2", "llama2-7b", "t5-large", "bart-large"])
def test_stages_together_hold_the_model_and_a_table_for_each_that_needs_it(name: str) -> None:
    model, layout = find_preset(name).config, Layout(pp=4)
    stages = [stage_of(model, layout, rank) for rank in range(4)]
    each = [held_by(model, Grid.of([layout]), stage) for stage in stages]
    tables = sum(float(held.table[0]) > 0 for held in each)
    assert tables == 1 + (model.num_encoder_layers > 0) + model.tie_embeddings
    copies = (tables - 1) * model.vocab_size * model.dim
    if model.position == "t5_bias":  # a table with each stage of its stack
        pieces = sum(int(blocks[0] > 0) for stage in stages for blocks in (stage.encoder_blocks, stage.decoder_blocks))
        copies += (pieces - 2) * model.t5_buckets * model.num_heads
    assert sum(float(held.total[0]) for held in each) == total_parameters(model) + copies


@pytest.mark.parametrize("name", ["gpt2", "gpt2-xl", "llama2-7b", "bloom-176b"])
@pytest.mark.parametrize("pp", [1, 2, 3, 4, 6, 12])
def test_stages_are_cut_as_the_engine_cuts_them(name: str, pp: int) -> None:
    problem = problem_of(find_preset(name).config)
    costs = block_flops(problem.model, problem.rows)
    costs[-1] += head_flops(problem.model, problem.rows)
    ends = even_cut(costs, pp)
    blocks = np.diff([0, *ends])
    first, middle, last = engine_stages(problem, np.array([pp]))
    assert (first.blocks[0], last.blocks[0]) == (blocks[0], blocks[-1])
    assert middle.blocks[0] == (max(blocks[1:-1]) if pp > 2 else blocks[0])


def test_stages_of_many_layouts_are_those_of_each() -> None:
    problem = problem_of(find_preset("t5-large").config)
    pipelines = [4, 1, 2, 4]
    together = engine_stages(problem, np.array(pipelines))
    for place, pp in enumerate(pipelines):
        for many, one in zip(together, engine_stages(problem, np.array([pp])), strict=True):
            assert [getattr(many, part.name)[place] for part in fields(many)] == [
                getattr(one, part.name)[0] for part in fields(one)
            ]
