"""Pretrain the planned model on the token shards."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from groundup.artifacts.build import Job, Order, Outcome
from groundup.artifacts.checkpoint import CHECKPOINTS, Checkpoint
from groundup.artifacts.manifest import MANIFEST
from groundup.artifacts.plan import Amounts, Decisions, Plan
from groundup.artifacts.shares import PARALLEL_FILE
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.compiler import find_compiler
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.files import write_json, write_text
from groundup.core.log import say
from groundup.core.units import format_bytes
from groundup.core.world import launched
from groundup.estimate.flops import flops_per_token
from groundup.nn.config import ModelConfig
from groundup.nn.device import resolve_device
from groundup.nn.threads import threads
from groundup.pretrain.beginning import COURSE_FILE, Making, take_over_beginning
from groundup.pretrain.checks import Subject
from groundup.pretrain.first_model import first_model
from groundup.pretrain.held_out import build_evaluation
from groundup.pretrain.layouts import LAYOUT_FILE, fits_whole
from groundup.pretrain.noting import note
from groundup.pretrain.preflight import LONG_RUN_S, PREFLIGHT_FILE, Check, preflight
from groundup.pretrain.together import gathered, hooks_of, local_threads, machines, sharing_of
from groundup.pretrain.trackers import trackings
from groundup.pretrain.watching import build_watch
from groundup.train.batches import BatchReader
from groundup.train.checkpoint import CheckpointStore
from groundup.train.config import PRODUCTS, TrainConfig
from groundup.train.deadline import Deadline
from groundup.train.hooks.evaluation import EVALUATIONS_FILE, Evaluation
from groundup.train.hooks.first_step import FirstStep
from groundup.train.hooks.hook import Hook
from groundup.train.hooks.lateness import Lateness
from groundup.train.hooks.profile import FOLDER as PROFILE
from groundup.train.hooks.profile import SUMMARY, TRACE, Profile
from groundup.train.hooks.watch import PICTURE_FILE, WATCH_FILE
from groundup.train.keeping import Keeping
from groundup.train.libraries import load_libraries, settled_bytes
from groundup.train.loop import train
from groundup.train.memory import PeakMemory, kept_memory
from groundup.train.metrics import Efficiency, MetricsLog
from groundup.train.objectives.lengths import row_lengths
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.table import build_objective
from groundup.train.objectives.vocabulary import Vocabulary
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.config import Layout
from groundup.train.parallel.team import Team
from groundup.train.ranks import ALONE, Ranks
from groundup.train.state import RunState
from groundup.train.step import TrainStep
from groundup.train.stop import StopRequest

METRICS_FILE = "metrics.jsonl"
MEMORY_FILE = "memory.json"
SPEED_FILE = "speed.json"
SOURCES_FILE = "sources.json"
RECIPE_FILE = "recipe.resolved.yaml"


def run(config: TrainConfig, job: Job) -> Outcome:
    """Train as the plan decided; go on from the newest checkpoint that an earlier try left in `job.out`."""
    plan, shards, tokenizer = job.open("plan", Plan), job.open("encode", TokenShards), job.open("tokenizer", Tokenizer)
    world = launched()
    leads = world is None or world.is_first
    if leads:
        shards.check_tokenizer(tokenizer.content_hash)
        _check_vocabulary(plan, shards)
        _check_compiler(plan)
        if job.recipe is not None:
            write_text(job.out / RECIPE_FILE, yaml.safe_dump(dict(job.recipe), sort_keys=False))
    with threads(local_threads(plan.decisions.num_threads, world)):
        if leads and _wants_preflight(config, plan, job.out):
            with kept_memory():
                is_whole = world is None or world.size == 1 or fits_whole(config, plan)
                preflight(subject_of(config, job, plan, shards, tokenizer, is_whole))
        with kept_memory(), contextlib.ExitStack() as closing:
            ranks, layout = closing.enter_context(gathered(config, job, plan))
            return _pretrain(config, job, plan, shards, tokenizer, closing, ranks, layout)


def check(config: TrainConfig, job: Job) -> list[Check]:
    """Check the run before it begins; raise VerificationError if it should not."""
    plan, shards, tokenizer = job.open("plan", Plan), job.open("encode", TokenShards), job.open("tokenizer", Tokenizer)
    layout = job.parallel
    is_one = layout is None or (isinstance(layout, Layout) and layout.world_size == 1)
    with threads(plan.decisions.num_threads), kept_memory():
        return preflight(subject_of(config, job, plan, shards, tokenizer, is_one or fits_whole(config, plan)))


def _wants_preflight(config: TrainConfig, plan: Plan, out: Path) -> bool:
    is_long = config.preflight == "on" or (config.preflight == "auto" and plan.forecast.train_s >= LONG_RUN_S)
    return is_long and not any(out.glob(f"{CHECKPOINTS}/*/{MANIFEST}"))


def subject_of(
    config: TrainConfig, job: Job, plan: Plan, shards: TokenShards, tokenizer: Tokenizer, is_whole: bool = True
) -> Subject:
    """Return what a preflight of the run looks at; `is_whole`: one process has room for the whole model."""
    making, _, batches = _data(config, job, plan, shards, tokenizer, ALONE, Layout())
    device = resolve_device(plan.decisions.device)
    return Subject(
        config,
        plan,
        shards,
        batches,
        lambda: first_model(plan.decisions, job.seed, device, ALONE),
        making.course.peak,
        device,
        _checkpoint_order(config, job, plan.decisions),
        tokenizer.path,
        is_whole,
    )


def _data(
    config: TrainConfig, job: Job, plan: Plan, shards: TokenShards, tokenizer: Tokenizer, ranks: Ranks, layout: Layout
) -> tuple[Making, Objective, BatchReader]:
    """Return what decides the run, what is learned, and from which batches."""
    decisions = plan.decisions
    shape = ModelConfig.parse(decisions.model, "plan").shape
    objective = build_objective(config.objective, Vocabulary.of(tokenizer.text), decisions.seq_len, shape)
    making = Making.of(config, decisions, job)
    making.course.check()
    batches = BatchReader(
        shards,
        objective,
        seed=job.seed,
        batch_sequences=decisions.batch_tokens // decisions.seq_len,
        micro_batch=decisions.micro_batch,
        document_mask=config.document_mask,
        course=making.course,
        parts=layout.dp,
        part=ranks.mesh.data_rank if isinstance(ranks, Team) else 0,
    )
    return making, objective, batches


def _pretrain(
    config: TrainConfig,
    job: Job,
    plan: Plan,
    shards: TokenShards,
    tokenizer: Tokenizer,
    closing: contextlib.ExitStack,
    ranks: Ranks,
    layout: Layout,
) -> Outcome:
    decisions = plan.decisions
    device = resolve_device(decisions.device)
    load_libraries(config.optimizer, device, shards)
    settled_bytes(device)
    memory = PeakMemory(device)
    model = first_model(decisions, job.seed, device, ranks)
    making, objective, batches = _data(config, job, plan, shards, tokenizer, ranks, layout)
    course = making.course
    metrics = _metrics(plan, job, memory, batches, config.storage_patience_s, ranks)
    _say_left_out(shards, batches)
    for name, packing in batches.packings.items():
        say(f"  '{name}': {packing.rows:,} rows, {packing.fill:.1%} of them text; {packing.cut:,} documents are longer than a row")
    if ranks.is_first:
        take_over_beginning(making, job.out, METRICS_FILE)
    evaluation = build_evaluation(config, job, decisions, shards, tokenizer.text, objective, model, ranks)
    hooks: list[Hook] = [FirstStep(course)] if decisions.compiled else []
    if config.profile is not None and ranks.is_first:
        config.profile.check(decisions.steps)
        hooks.append(Profile(config.profile, job.out))
    seconds = math.inf if decisions.minutes is None else decisions.minutes * 60
    if decisions.minutes is None:
        hooks.append(Lateness(decisions.steps, plan.forecast.train_s))
    stop = StopRequest()
    if (world := launched()) is not None:
        hooks += hooks_of(world, job.out / METRICS_FILE)
    watch = build_watch(config, job, plan, shards, evaluation, metrics.tell, stop.ask) if ranks.is_first else None
    trackers = closing.enter_context(trackings(config, job, METRICS_FILE, evaluation)) if ranks.is_first else []
    is_whole = not any((job.out / CHECKPOINTS).glob(f"*/{MANIFEST}"))  # else another process did a part of it
    train_step = TrainStep(
        model,
        build_optimizer(model, config.optimizer),
        decisions.precision,
        config.clip_norm,
        device,
        config.z_loss,
        config.clip_value,
        decisions.compiled,
        decisions.recompute,
        ranks=ranks,
    )
    hooks += sharing_of(train_step, job.out, plan, memory) if config.profile is None else []  # there is one profiler
    ended = train(
        steps=decisions.steps,
        train_step=train_step,
        batches=batches,
        learning_rate=course.learning_rate,
        checkpoints=_checkpoints(config, job, decisions, tokenizer, evaluation, ranks),
        metrics=metrics,
        healing=config.healing,
        hooks=[*hooks, *([evaluation] if evaluation else []), *([watch] if watch else []), *trackers],
        deadline=Deadline(decisions.steps, config.schedule, seconds),
        stop_request=stop,
    )
    peaks = ranks.each(memory.bytes())
    if not ranks.is_first:
        return Outcome()
    _write_memory(config, job, plan, memory, metrics.peak_memory_bytes, peaks)
    speed = metrics.summary()
    write_json(job.out / SPEED_FILE, speed)
    if is_whole and ended.step == decisions.steps and config.profile is None and ranks.size == 1:
        growth = metrics.peak_memory_bytes - memory.start_bytes
        note(plan, shards, _amounts(plan, growth, speed, evaluation), speed["train_s"])
    write_json(job.out / SOURCES_FILE, batches.seen(ended.step, ended.passed_over))
    counts = {**_steps(ended, decisions), "tokens": metrics.tokens, "final_loss": metrics.final_loss()}
    return Outcome(counts=counts, volatile=_volatile(job.out))


def _volatile(out: Path) -> frozenset[str]:
    """Return the files that hold times, speeds, or what does not follow from settings and inputs."""
    trackers = {path.name for path in out.glob("tracker-*.json")}
    manifests = {path.relative_to(out).as_posix() for path in (out / CHECKPOINTS).glob(f"*/{MANIFEST}")}
    measured = {
        METRICS_FILE,
        MEMORY_FILE,
        SPEED_FILE,
        EVALUATIONS_FILE,
        PREFLIGHT_FILE,
        WATCH_FILE,
        PICTURE_FILE,
        PARALLEL_FILE,
        LAYOUT_FILE,
    }
    return frozenset({RECIPE_FILE, COURSE_FILE, f"{PROFILE}/{TRACE}", f"{PROFILE}/{SUMMARY}"} | measured | trackers | manifests)


def _write_memory(config: TrainConfig, job: Job, plan: Plan, memory: PeakMemory, peak_bytes: int, peaks: Sequence[int]) -> None:
    """Say the measured peak, the largest of all processes, beside what was forecast, and beside the cap if there is one."""
    found: dict[str, Any] = {"start_rss_bytes": memory.start_bytes, "peak_memory_bytes": peak_bytes}
    if len(peaks) > 1:
        found["peak_memory_bytes_by_process"] = list(peaks)
    told = f"  peak memory {format_bytes(peak_bytes)}; forecast: {format_bytes(plan.forecast.memory_bytes['total'])}"
    if config.memory_cap is not None:
        found["memory_cap_bytes"] = config.memory_cap
        told += f", pretrain.memory_cap: {format_bytes(config.memory_cap)}"
    say(told)
    write_json(job.out / MEMORY_FILE, found)


def _amounts(plan: Plan, growth_bytes: int, speed: Mapping[str, float], evaluation: Evaluation | None) -> Amounts:
    """Return what the run took."""
    step_s, calibrated = speed["median_step_s"], plan.forecast.calibrated
    steps = calibrated.whole_steps if calibrated is not None else plan.decisions.steps
    last = evaluation.rows[-1] if evaluation is not None and evaluation.rows else {}
    loss = last["loss"] if last.get("step") == plan.decisions.steps else None
    return Amounts(growth_bytes=growth_bytes, step_s=step_s, beside_s=max(0.0, speed["train_s"] - steps * step_s), loss=loss)


def _steps(ended: RunState, decisions: Decisions) -> dict[str, int]:
    """Return the steps that were taken, and the planned ones if they are others."""
    planned = {"steps_planned": decisions.steps} if ended.step != decisions.steps else {}
    return {"steps": ended.step, **planned}


def _check_vocabulary(plan: Plan, shards: TokenShards) -> None:
    planned = ModelConfig.parse(plan.decisions.model, str(plan.path)).vocab_size
    if planned < shards.info.vocab_size:
        raise ArtifactError(
            f"{plan.path}: plans a model of {planned:,} tokens, but {shards.path} holds tokens of {shards.info.vocab_size:,}; "
            "plan again for these shards"
        )


def _check_compiler(plan: Plan) -> None:
    if plan.decisions.compiled and plan.decisions.device == "cpu" and find_compiler() is None:
        raise ConfigError(
            f"{plan.path}: plans a compiled step, and this machine has no C++ compiler; install one (Debian: apt install g++; "
            "macOS: xcode-select --install), or plan again with pretrain.compile=off"
        )


def _say_left_out(shards: TokenShards, batches: BatchReader) -> None:
    used = {stream.name for stream in batches.order.streams}
    for source in shards.info.sources:
        if source.name not in used:
            tokens = f"{source.tokens['train']:,}"
            say(f"source '{source.name}' is left out: its {tokens} tokens do not fill one sequence", style="yellow")


def _metrics(plan: Plan, job: Job, memory: PeakMemory, batches: BatchReader, patience_s: float, ranks: Ranks) -> MetricsLog:
    forecast, model = plan.forecast, ModelConfig.parse(plan.decisions.model, "plan")
    peak = forecast.matmul_peak_flops_per_s[PRODUCTS[plan.decisions.precision]]

    def step_flops_per_token(step: int) -> float:
        rows = row_lengths(batches.objective(step))
        return forecast.flops_per_token if rows.read_len == plan.decisions.seq_len else flops_per_token(model, rows)

    efficiency = Efficiency(batches.step_tokens, step_flops_per_token, peak * machines(ranks, launched(), plan.decisions))
    return MetricsLog(job.out / METRICS_FILE, efficiency, memory, patience_s, ranks=ranks)


def _checkpoints(
    config: TrainConfig, job: Job, decisions: Decisions, tokenizer: Tokenizer, evaluation: Evaluation | None, ranks: Ranks
) -> CheckpointStore:
    keeping = Keeping(
        every=decisions.checkpoint_steps,
        keep=config.keep_checkpoints,
        milestones=config.schedule.milestones(decisions.steps),
        keep_every=config.keep_every_steps,
        every_s=None if config.checkpoint_minutes is None else config.checkpoint_minutes * 60,
    )
    return CheckpointStore(
        root=job.out / CHECKPOINTS,
        order=_checkpoint_order(config, job, decisions),
        model_config=ModelConfig.parse(decisions.model, "plan"),
        tokenizer=tokenizer.path,
        keeping=replace(keeping, is_scored=evaluation.due, losses=evaluation.losses) if evaluation else keeping,
        patience_s=config.storage_patience_s,
        ranks=ranks,
    )


def _checkpoint_order(config: TrainConfig, job: Job, decisions: Decisions) -> Order:
    return Order("pretrain", Checkpoint.kind, job.out, config, job.seed, decisions.device, job.inputs)
