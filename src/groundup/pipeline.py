"""The line: the ordered table of stages, and the walk from raw text to a shipped model."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.aside import holds_hours, moves
from groundup.artifacts.build import Job, Order, Outcome, is_made, make
from groundup.artifacts.manifest import MANIFEST
from groundup.artifacts.place import look
from groundup.artifacts.tokenizer import TextTokenizer, Tokenizer
from groundup.artifacts.tokenizer_formats import find_tokenizer, read_tokenizer
from groundup.core.config import Config, nearest
from groundup.core.errors import ConfigError
from groundup.core.files import locked
from groundup.core.log import say
from groundup.core.world import launched
from groundup.evaluate.config import resolve_stride
from groundup.nn.prompts import encode_prompt
from groundup.plan.shapes import family
from groundup.recipe import Recipe
from groundup.tokenizer.config import IN_GGUF
from groundup.train.parallel.config import AUTO, completed, said_layout

StageRun = Callable[[Any, Job], Outcome]


@dataclass(frozen=True)
class Stage:
    """One row of the line. Its door is the module `groundup.VERB.run`, opened only when the stage has work to do."""

    verb: str
    what: str
    eats: tuple[str, ...]
    makes: str
    """Kind of the artifact."""
    config: Callable[[Recipe], Config]
    answers: str
    resumable: bool = False
    foresees: bool = False
    """True if the door has `foresee(config, job)`: what the work takes (`words()`, `to_json()`, `is_long`), or None."""
    reads_sources: bool = False
    """True if the stage reads files from outside; its door then has `source_hashes(config)`."""
    besides: Callable[[Recipe], Mapping[str, Any]] = lambda _: {}
    """Settings outside of its config that decide what it makes."""

    def door(self) -> Any:
        return importlib.import_module(f"groundup.{self.verb}.run")

    def run(self, config: Any, job: Job) -> Outcome:
        outcome: Outcome = self.door().run(config, job)
        return outcome


STAGES: tuple[Stage, ...] = (
    Stage(
        verb="curate",
        what="raw text",
        eats=(),
        makes="documents",
        config=lambda recipe: recipe.curate,
        answers="what of my text is good, what is left, and why",
        foresees=True,
        reads_sources=True,
    ),
    Stage(
        verb="tokenizer",
        what="documents",
        eats=("curate",),
        makes="tokenizer",
        config=lambda recipe: recipe.tokenizer,
        answers="how well the vocabulary fits the domain",
        reads_sources=True,
    ),
    Stage(
        verb="encode",
        what="documents, tokenizer",
        eats=("curate", "tokenizer"),
        makes="token-shards",
        config=lambda recipe: recipe.encode,
        answers="how many tokens there are, of which source",
        foresees=True,
    ),
    Stage(
        verb="plan",
        what="budget or size, token shards",
        eats=("encode",),
        makes="plan",
        config=lambda recipe: recipe.plan_config(),
        answers="what to train, how long it takes, how much memory it needs",
    ),
    Stage(
        verb="pretrain",
        what="plan, token shards",
        eats=("plan", "encode", "tokenizer"),
        makes="training-run",
        config=lambda recipe: recipe.pretrain,
        answers="the model, with every step's metrics",
        resumable=True,
        besides=lambda recipe: recipe.trained_apart(),
    ),
    Stage(
        verb="evaluate",
        what="checkpoint, held-out text",
        eats=("pretrain", "encode", "curate"),
        makes="evaluation",
        config=lambda recipe: recipe.evaluate,
        answers="bits per byte beside honest baselines, samples",
    ),
    Stage(
        verb="export",
        what="checkpoint, all reports",
        eats=("pretrain", "evaluate", "plan", "curate"),
        makes="export",
        config=lambda recipe: recipe.export,
        answers="a folder that other tools load, proven equal, with a model card",
    ),
)
VERBS = tuple(stage.verb for stage in STAGES)


def find_stage(verb: str) -> Stage:
    """Return the row of `verb`; raise ConfigError with the nearest known one if there is none."""
    for stage in STAGES:
        if stage.verb == verb:
            return stage
    raise ConfigError(f"no stage '{verb}' in the line; {nearest(verb, list(VERBS))}")


def stages_until(verb: str | None) -> tuple[Stage, ...]:
    """Return the stages up to `verb` that it needs, in order; all of them for None."""
    if verb is None:
        return STAGES
    needed = {find_stage(verb).verb}
    for stage in reversed(STAGES):
        if stage.verb in needed:
            needed.update(stage.eats)
    return tuple(stage for stage in STAGES if stage.verb in needed)


def order_stage(stage: Stage, recipe: Recipe, folders: Mapping[str, Path]) -> Order:
    """Return the order that makes the stage's artifact in its folder from those of the stages before it."""
    config = stage.config(recipe)
    sources = stage.door().source_hashes(config) if stage.reads_sources else {}
    return Order(
        stage=stage.verb,
        kind=stage.makes,
        out=folders[stage.verb],
        config=config,
        seed=recipe.seed,
        device=recipe.device,
        workers=recipe.workforce,
        inputs={verb: Artifact.open(folders[verb]) for verb in stage.eats},
        sources=sources,
        recipe=recipe.resolved(),
        resumable=stage.resumable,
        parallel=recipe.parallel,
        besides=stage.besides(recipe),
    )


def walk(
    recipe: Recipe, folders: Mapping[str, Path], stages: tuple[Stage, ...], remake_from: str | None = None
) -> Iterator[tuple[Stage, bool]]:
    """Make what is not made yet, in order, and yield (stage, whether it had to be made).

    A stage whose inputs and settings are those of its artifact is skipped. From `remake_from` on every stage is made anew.
    Work of hours (of a resumable stage) is moved aside where it would be replaced, and brought back when it is asked for again.
    """
    remake = False
    for stage in stages:
        remake = remake or stage.verb == remake_from
        order = order_stage(stage, recipe, folders)
        for move in moves(order, remake):
            say(f"{stage.verb:<10} {move}", style="yellow")
            move.carry_out()
        is_new = remake or not is_made(order)
        if is_new:
            say(f"{stage.verb:<10} {stage.what} -> {stage.makes}", style="bold")
            make(order, stage.run, replace=True, remake=remake)
        else:
            say(f"{stage.verb:<10} already made with the same inputs and settings, skipped  {folders[stage.verb]}", style="dim")
        _check_finished(stage, recipe, folders, stages)
        yield stage, is_new


def run_line(recipe: Recipe, out: Path, until: str | None = None, remake_from: str | None = None) -> dict[str, bool]:
    """Walk the line in `out`, one folder a stage, and return which stages had to be made."""
    stages = stages_until(until)
    check_line(recipe, line_folders(out), stages, remake_from)
    if any(stage.verb == "pretrain" for stage in stages) and not (out / "pretrain" / MANIFEST).is_file():
        check_processes(recipe)
    with locked(out):
        return {stage.verb: made for stage, made in walk(recipe, line_folders(out), stages, remake_from)}


def check_line(recipe: Recipe, folders: Mapping[str, Path], stages: tuple[Stage, ...], remake_from: str | None) -> None:
    """Raise ConfigError, or ArtifactError, for what would stop a later stage: known before hours of training, not after."""
    verbs = {stage.verb for stage in stages}
    if remake_from is not None and find_stage(remake_from).verb not in verbs:
        raise ConfigError(f"--from {remake_from} is not among the stages that --until leaves: {', '.join(s.verb for s in stages)}")
    recipe.curate.check_apart(folders.values())
    for stage in stages:
        look(folders[stage.verb])
    wanted = recipe.pretrain.evaluate
    if "pretrain" in verbs and not recipe.curate.validation and (wanted.every or wanted.max_tokens):
        given = f"every={wanted.every}" if wanted.every else f"max_tokens={wanted.max_tokens}"
        raise ConfigError(
            f"pretrain.evaluate.{given} has no text to score, as curate.validation=0 holds out none; set one of them otherwise"
        )
    if "evaluate" in verbs and not recipe.curate.validation:
        raise ConfigError("curate.validation=0 holds out no text to evaluate on; set it above 0, or stop before: --until pretrain")
    shapes = family(recipe.model, recipe.tokenizer.vocab_size, recipe.pretrain.seq_len) if "plan" in verbs else ()
    if recipe.tokenizer.path is not None:
        find_tokenizer(recipe.tokenizer.path)
    if "plan" in verbs and recipe.pretrain.objective.name != "causal":
        _check_objective(recipe)
    if "evaluate" in verbs:
        resolve_stride(recipe.evaluate.stride, recipe.pretrain.seq_len)
    if "export" in verbs:
        _check_export(recipe)
        find_stage("export").door().check(recipe.export, shapes)


def check_processes(recipe: Recipe) -> None:
    """Raise ConfigError if the recipe's layout is not one of the processes that were started."""
    world = launched()
    if recipe.parallel != AUTO:
        completed(said_layout(recipe.parallel), world.size if world is not None else 1)


def _check_objective(recipe: Recipe) -> None:
    """Raise ConfigError if the objective lacks room, or tokens that an imported tokenizer does not have."""
    lengths = importlib.import_module("groundup.train.objectives.lengths")  # loads torch, which the plain next token can wait for
    objective, seq_len, shape = recipe.pretrain.objective, recipe.pretrain.seq_len, recipe.model.shape
    if recipe.tokenizer.path is None:
        lengths.anticipated(objective, seq_len, shape, recipe.tokenizer.special.sentinels)
    else:
        engine, names = read_tokenizer(recipe.tokenizer.path)
        lengths.check(objective, TextTokenizer(engine, names, str(recipe.tokenizer.path)), seq_len, shape)


def _check_export(recipe: Recipe) -> None:
    """Raise ConfigError if a library is missing that the export needs, or its form cannot hold the tokenizer."""
    settings = recipe.export
    if settings.format == "hf" and settings.verify and importlib.util.find_spec("transformers") is None:
        raise ConfigError(
            "export.verify=true compares the export with the library 'transformers', which is not installed: "
            "pip install 'groundup[hf]', or set export.verify=false, or stop before: --until evaluate"
        )
    if settings.format == "gguf" and importlib.util.find_spec("gguf") is None:
        raise ConfigError(
            "export.format=gguf is written with the library 'gguf', which is not installed: "
            "pip install 'groundup[gguf]', or set export.format=hf, or stop before: --until evaluate"
        )
    if settings.format == "gguf" and recipe.tokenizer.algorithm in ("wordpiece", "unigram"):
        algorithm = recipe.tokenizer.algorithm
        raise ConfigError(f"export.format=gguf has no place for tokenizer.algorithm={algorithm}; take bpe, or export.format=hf")
    if settings.format == "gguf" and recipe.tokenizer.algorithm == "bpe":
        for key, known in (("pre_tokenizer", IN_GGUF), ("normalisation", ("none",))):
            if (asked := getattr(recipe.tokenizer, key)) not in known:
                raise ConfigError(
                    f"export.format=gguf with tokenizer.{key}={asked}: llama.cpp knows {', '.join(known)} alone; take one of "
                    "them, or export.format=hf"
                )


def _check_finished(stage: Stage, recipe: Recipe, folders: Mapping[str, Path], stages: tuple[Stage, ...]) -> None:
    """Raise ConfigError for what would stop a later stage, and can be known as soon as this one is finished."""
    verbs = {later.verb for later in stages}
    asked = {
        "evaluate.prompts": recipe.evaluate.prompts if "evaluate" in verbs else (),
        "pretrain.evaluate.prompts": recipe.pretrain.evaluate.prompts if "pretrain" in verbs else (),
    }
    if stage.verb == "tokenizer" and any(asked.values()):
        tokenizer = Tokenizer.open(folders[stage.verb]).text
        for key, prompt in ((key, prompt) for key, prompts in asked.items() for prompt in prompts):
            encode_prompt(tokenizer, prompt, recipe.pretrain.seq_len, recipe.model.shape, key)
    if stage.verb == "tokenizer" and recipe.pretrain.objective.name != "causal":
        tokens = importlib.import_module("groundup.train.objectives.vocabulary").Vocabulary.of(
            Tokenizer.open(folders[stage.verb]).text
        )
        build = importlib.import_module("groundup.train.objectives.table").build_objective
        build(recipe.pretrain.objective, tokens, recipe.pretrain.seq_len, recipe.model.shape)


def is_line(folder: Path) -> bool:
    """Return whether the folder is that of a run of the line, which holds a folder for each stage."""
    return any((folder / verb / MANIFEST).is_file() for verb in VERBS)


def line_folders(out: Path) -> dict[str, Path]:
    """Return the folder of each stage's artifact in a run of the line."""
    return {verb: out / verb for verb in VERBS}


def preview(
    recipe: Recipe, folders: Mapping[str, Path], stages: tuple[Stage, ...], remake_from: str | None = None
) -> dict[str, str]:
    """Return what `walk` would do with each stage: 'skip', 'make', or 'make, after ...' where an input is still to be made.

    What would be moved aside or brought back is said behind it.
    """
    check_line(recipe, folders, stages, remake_from)
    steps: dict[str, str] = {}
    remake = False
    for stage in stages:
        remake = remake or stage.verb == remake_from
        waiting = [verb for verb in stage.eats if steps.get(verb, "skip") != "skip"]
        if waiting:
            steps[stage.verb] = "; ".join([f"make, after {', '.join(waiting)}", *_perhaps_moved(stage, folders[stage.verb])])
            continue
        order = order_stage(stage, recipe, folders)
        if is_made(order) and not remake:
            _check_finished(stage, recipe, folders, stages)
            steps[stage.verb] = "skip"
        else:
            steps[stage.verb] = "; ".join([step_of(stage, order), *map(str, moves(order, remake))])
    return steps


def step_of(stage: Stage, order: Order) -> str:
    """Return what is done, with what it takes if that can be told and is more than a moment."""
    found = stage.door().foresee(order.config, order.job()) if stage.foresees else None
    return f"make: {found.words()}" if found is not None and found.is_long else "make"


def _perhaps_moved(stage: Stage, folder: Path) -> list[str]:
    """Return what happens to work of hours in the folder of a stage whose order is not known yet."""
    if not (stage.resumable and holds_hours(look(folder))):
        return []
    return [f"{folder} is moved aside, unless that turns out to be the same work"]
