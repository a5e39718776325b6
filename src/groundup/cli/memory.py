"""The command that says what one device holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.options import AsJson, Quiet
from groundup.cli.planned import read_planned
from groundup.cli.root import plan_app, print_result
from groundup.core.errors import ConfigError
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet

if TYPE_CHECKING:
    from groundup.plan import memory as memories
    from groundup.plan import simulate as simulations
else:
    memories, simulations = lazy("groundup.plan.memory"), lazy("groundup.plan.simulate")


@plan_app.command("memory")
def plan_memory(
    model: Annotated[str | None, typer.Option(help="A published model ('groundup plan models').")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe, as groundup itself trains it.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32, bf16 (default), bf16_weights, fp16 or fp8; inference: int8 and int4, too.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw (default), adam, adafactor, muon, lion or adamw_8bit.")] = None,
    micro_batch: Annotated[
        int | None, typer.Option(min=1, help="Sequences of a pass on each data-parallel rank; default 1.")
    ] = None,
    seq_len: Annotated[int | None, typer.Option(min=1, help="Tokens of a sequence; default the model's longest.")] = None,
    target_len: Annotated[int | None, typer.Option(min=1, help="Of an encoder-decoder's targets; default --seq-len.")] = None,
    dp: Annotated[int | None, typer.Option(min=1, help="Data-parallel ranks.")] = None,
    tp: Annotated[int | None, typer.Option(min=1, help="Tensor- (and sequence-) parallel ranks.")] = None,
    pp: Annotated[int | None, typer.Option(min=1, help="Pipeline stages.")] = None,
    cp: Annotated[int | None, typer.Option(min=1, help="Context-parallel ranks.")] = None,
    zero: Annotated[
        int | None, typer.Option(min=0, max=3, help="0 DDP, 1 optimizer, 2 gradients, 3 weights shared (FSDP).")
    ] = None,
    sharding_factor: Annotated[int | None, typer.Option(min=1, help="Ranks that zero=3 shards among; default dp.")] = None,
    offload: Annotated[str | None, typer.Option(help="What lies with the host: none, optimizer or all.")] = None,
    recompute: Annotated[str | None, typer.Option(help="none, selective or full.")] = None,
    schedule: Annotated[str | None, typer.Option(help="gpipe, 1f1b, interleaved or zero_bubble.")] = None,
    compiled: Annotated[bool | None, typer.Option("--compile", help="Kernels from torch.compile.")] = None,
    micro_batches: Annotated[int | None, typer.Option(min=1, help="Of a step; 1: no gradients are there at the peak.")] = None,
    software: Annotated[str | None, typer.Option(help="Whose engine: torch, megatron or groundup; default by the layout.")] = None,
    attention: Annotated[str | None, typer.Option(help="sdpa (fused, default) or matmul (scores are written).")] = None,
    loss: Annotated[str | None, typer.Option(help="whole (all logits at once) or chunked.")] = None,
    selective: Annotated[str | None, typer.Option(help="What recompute=selective keeps.")] = None,
    gradients: Annotated[str | None, typer.Option(help="Of 16-bit weights: 16bit (default) or fp32.")] = None,
    sequence_parallel: Annotated[bool | None, typer.Option(help="Whether tp divides the residual stream, too.")] = None,
    device: Annotated[str | None, typer.Option("--hardware", help="A device ('groundup plan hardware'), or this.")] = None,
    device_bytes: Annotated[str | None, typer.Option(help="Its memory, in place of --hardware: 80GiB, or bytes.")] = None,
    inference: Annotated[bool, typer.Option("--inference", help="Of generating text: weights and key/value cache.")] = False,
    batch: Annotated[int | None, typer.Option(min=1, help="With --inference: sequences at once; default 1.")] = None,
    context: Annotated[
        int | None, typer.Option(min=1, help="With --inference: tokens of each; default the model's longest.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Each formula with its numbers and source.")] = False,
    simulate: Annotated[bool, typer.Option("--simulate", help="Also run a step on fake tensors, and tell its peak.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say what one device holds in training (or inference) under a layout, line by line, and whether it fits."""
    set_quiet(quiet)
    planned = read_planned(recipe, overrides)
    if not inference and (batch or context):
        raise ConfigError("--batch and --context are of --inference; in training say --micro-batch and --seq-len")
    answer = memories.plan_memory(
        model, planned, device, device_bytes, (batch or 1, context) if inference else None, precision=precision,
        optimizer=optimizer, micro_batch=micro_batch, seq_len=seq_len, target_len=target_len, dp=dp, tp=tp, pp=pp, cp=cp, zero=zero,
        sharding_factor=sharding_factor, offload=offload, recompute=recompute, schedule=schedule, compiled=compiled,
        micro_batches=micro_batches, software=software, attention=attention, loss=loss, selective=selective, gradients=gradients,
        sequence_parallel=sequence_parallel,
    )  # fmt: skip
    found, text = answer.as_json(explain), memories.render(answer, explain)
    if simulate:
        simulated = simulations.simulate_memory(answer)
        found, text = found | simulated.as_json(), f"{text}\n{simulated.render(answer.memory.live)}"
    print_result(found, as_json, text)
