"""The recipe: the tree of all settings of a run of the line."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_serializer, model_validator

from groundup.core.config import Config, nearest
from groundup.core.engines.base import EngineName, Workers
from groundup.core.errors import ConfigError
from groundup.core.mappings import read_mapping
from groundup.curate.config import CurateConfig
from groundup.encode.config import EncodeConfig
from groundup.evaluate.config import EvaluateConfig
from groundup.export.config import ExportConfig
from groundup.plan.config import BudgetConfig, PlanConfig, SizeConfig
from groundup.plan.shapes import family
from groundup.tokenizer.config import SpecialConfig, TokenizerConfig
from groundup.train.config import TrainConfig
from groundup.train.course.course import Course
from groundup.train.hooks.config import check_trackers
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.parallel.config import Layout, Parallel, said_layout

StageName = Literal["curate", "tokenizer", "encode", "plan", "pretrain", "evaluate", "export"]
SHIPPED = Path(__file__).parent / "recipes"
SHARED = ("recompute", "micro_batch", "precision")
"""Keys of a layout that pretrain has, too."""
UNPLANNED: tuple[StageName, ...] = ("curate", "tokenizer", "encode")
"""Stages that a recipe needs neither a budget nor a size for."""
EXAMPLE_SENTINELS = 100
"""What T5 has (Raffel et al. 2020, section 2.2)."""


class Recipe(Config):
    """A run from raw text to a shipped model: one section a stage, and what several stages share."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="name of the run and of the exported model")
    seed: int = Field(default=0, ge=0, description="all randomness derives from it")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="where plan, pretrain and evaluate compute; auto: cuda, else mps, else cpu"
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        description="processes that curate and encode text; null: one a core, for little text none. Changes no result",
    )
    worker_memory_bytes: int = Field(
        default=128 << 20, ge=1 << 20, description="memory of a process for sorting and comparing documents, about [bytes]"
    )
    engine: EngineName = Field(
        default="local", description="where they run: local, or ray: a Ray cluster (RAY_ADDRESS, or this machine)"
    )
    calibration: bool = Field(
        default=True,
        description="on: earlier runs of this machine correct the plan's forecasts, and this one is kept for later; off: neither",
    )
    until: StageName | None = Field(default=None, description="last stage of a run; null: the whole line")
    budget: BudgetConfig | None = Field(default=None, description="what may be spent; the plan derives the rest")
    model: SizeConfig = SizeConfig()
    curate: CurateConfig
    tokenizer: TokenizerConfig = TokenizerConfig()
    encode: EncodeConfig = EncodeConfig()
    pretrain: TrainConfig = TrainConfig()
    parallel: Parallel | None = Field(
        default=None,
        description="how training lies on the processes of a launch; a dp that is not said is what the other axes leave; "
        "null: dp; auto: chosen for the processes that there are. recompute, micro_batch and precision are pretrain's",
    )
    evaluate: EvaluateConfig = EvaluateConfig()
    export: ExportConfig = ExportConfig()

    @field_serializer("parallel")
    def _dump_as_said(self, parallel: Parallel | None) -> Any:
        """Leave out what is not said, which depends on the number of processes and on pretrain."""
        return parallel.model_dump(mode="json", exclude_unset=True) if isinstance(parallel, Layout) else parallel

    @model_validator(mode="before")
    @classmethod
    def _share_with_pretrain(cls, data: Any) -> Any:
        """Take what a layout says of a micro-batch for pretrain's, which says the same or nothing."""
        parallel, pretrain = (data.get(key) for key in ("parallel", "pretrain")) if isinstance(data, Mapping) else (None, None)
        if not isinstance(parallel, Mapping) or not isinstance(pretrain or {}, Mapping):
            return data
        shared = {key: parallel[key] for key in SHARED if key in parallel}
        for key, value in shared.items():
            there = (pretrain or {}).get(key, value)
            if there not in (value, None, "auto"):
                raise ValueError(f"parallel.{key}={value} and pretrain.{key}={there} say different things; leave one of them out")
        return {**data, "pretrain": {**(pretrain or {}), **shared}}

    @model_validator(mode="after")
    def _check_parallel(self) -> Self:
        layout = said_layout(self.parallel)
        if layout is not None and "dp" in layout.model_fields_set:
            check_rows(self.pretrain, layout)
        return self

    @model_validator(mode="after")
    def _check_plan(self) -> Self:
        if self.until not in UNPLANNED:
            try:
                self.plan_config()
                family(self.model, self.tokenizer.vocab_size, self.pretrain.seq_len)
            except ConfigError as error:
                raise ValueError(str(error)) from None
            except ValueError as error:
                if self.budget is None and self.model == SizeConfig() and self.pretrain.steps is None:
                    raise ValueError(f"{error}; or until: encode, if nothing is to be trained") from None
                raise
        return self

    @model_validator(mode="after")
    def _check_course(self) -> Self:
        known = [source.name for source in self.curate.sources]
        for name in (name for part in self.pretrain.mixture for name in part.weights):
            if name not in known:
                raise ValueError(f"pretrain.mixture: no source '{name}' among curate.sources; {nearest(name, known)}")
        if self.pretrain.steps is not None:
            try:
                Course(self.pretrain, self.pretrain.steps).check()
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.encode.curriculum is not None and self.pretrain.order == "shuffled":
            raise ValueError(
                "encode.curriculum orders the documents, and pretrain.order='shuffled' undoes it; say pretrain.order: as_encoded, "
                "or take encode.curriculum out"
            )
        return self

    @model_validator(mode="after")
    def _check_mix(self) -> Self:
        mix = self.encode.mix
        if mix is None:
            return self
        known = [source.name for source in self.curate.sources]
        for name in sorted(mix.named):
            if name not in known:
                raise ValueError(f"encode.mix: no source '{name}' among curate.sources; {nearest(name, known)}")
        for source in self.curate.sources:
            if mix.shares is not None and source.name not in mix.shares:
                raise ValueError(f"encode.mix.shares says nothing of source '{source.name}'; give it a share, 0 to leave it out")
            if source.weight != 1:
                raise ValueError(
                    f"source '{source.name}' has weight={source.weight:g}, which has no effect beside encode.mix; leave one of "
                    "them out"
                )
        wanted = self.budget.tokens if self.budget is not None else None
        if mix.tokens is not None and wanted is not None and wanted > mix.tokens:
            raise ValueError(
                f"budget.tokens={wanted:,} is more than encode.mix.tokens={mix.tokens:,}, so sources would be seen more often than "
                f"encode.mix.max_epochs says; set encode.mix.tokens={wanted}, or lower budget.tokens"
            )
        return self

    @model_validator(mode="after")
    def _check_trackers(self) -> Self:
        try:
            check_trackers(self.pretrain.trackers)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _check_special(self) -> Self:
        missing = missing_special(self.pretrain.objective, self.tokenizer.special)
        if missing and self.tokenizer.path is None:  # what an imported tokenizer has is seen when it is read
            raise ValueError(
                f"pretrain.objective.name='{self.pretrain.objective.name}' needs tokens that the tokenizer is not asked for: set "
                + " and ".join(f"tokenizer.special.{setting}" for setting in missing)
            )
        return self

    @property
    def workforce(self) -> Workers:
        return Workers(self.engine, self.workers, self.worker_memory_bytes)

    def plan_config(self) -> PlanConfig:
        """Return the part of the recipe that decides what will be trained."""
        try:
            return PlanConfig(
                budget=self.budget,
                model=self.model,
                pretrain=self.pretrain.sized(),
                device=self.device,
                calibration=self.calibration,
            )
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None

    def trained_apart(self) -> dict[str, Any]:
        """Return what of the layout changes what is learned, not only where: islands that train apart."""
        layout = said_layout(self.parallel)
        apart = layout.local_sgd if layout is not None else None
        return {"local_sgd": apart.model_dump(mode="json")} if apart is not None else {}

    def planned_layout(self) -> dict[str, Any]:
        """Return the keys of the layout that are said, but for the precision, which is pretrain's."""
        layout = said_layout(self.parallel)
        return layout.model_dump(exclude_unset=True, exclude={"precision"}) if layout is not None else {}

    def resolved(self) -> dict[str, Any]:
        """Return all settings, defaults included, as JSON values that `load_recipe` reads back."""
        return self.model_dump(mode="json")


def check_rows(train: TrainConfig, layout: Layout) -> None:
    """Raise ValueError if the rows of a step do not divide into micro-batches on all data-parallel ranks."""
    rows, micro_batch = train.batch_sequences, train.micro_batch or 1
    each = layout.dp * micro_batch
    if rows % each:
        near = max(round(rows / each), 1) * each
        said = f" x micro_batch={micro_batch}" if train.micro_batch else ""
        raise ValueError(
            f"pretrain.batch_tokens={train.batch_tokens:,} are {rows:,} rows, no multiple of parallel.dp={layout.dp}{said}; "
            f"nearest that is: {near * train.seq_len:,} tokens, {near:,} rows"
        )


def missing_special(objective: ObjectiveConfig, special: SpecialConfig) -> list[str]:
    """Return the settings of tokenizer.special, as key=value, that the objective needs and the tokenizer is not asked for."""
    modes = tuple(dict.fromkeys(denoiser.mode for denoiser in objective.denoisers)) if objective.name == "mixture" else ()
    needs = {
        "mask=true": objective.name in ("masked", "denoising") and not special.mask,
        f"sentinels={EXAMPLE_SENTINELS}": objective.name in ("span_corruption", "mixture") and not special.sentinels,
        f"modes={list(modes)}": not set(modes) <= set(special.modes),
        "fill=true": objective.name == "fill_in_middle" and not special.fill,
    }
    return [setting for setting, is_missing in needs.items() if is_missing]


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe in the YAML file, with `a.b=c` overrides applied (values are YAML too).

    Paths of what curation reads, of a tokenizer and of a band are under the file's folder, in overrides under the current one.
    Raises ConfigError with the file, the key and the way out.
    """
    data = read_yaml(path)
    make_paths_absolute(data, path.parent)
    for override in overrides:
        apply_override(data, override)
    make_paths_absolute(data, Path.cwd())
    return Recipe.parse(data, str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in the YAML file; raise ConfigError if it is not one."""
    if not path.is_file():
        shipped = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
        raise ConfigError(f"{path}: no such recipe; 'groundup new NAME' copies a shipped one to start from ({shipped})")
    return read_mapping(path, "a recipe")


def apply_override(data: dict[str, Any], override: str) -> None:
    """Set one dotted key, `a.b=c`, in the tree; list items are named by position, `curate.sources.0.path=x`."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}: write it as key=value, for example --set budget.minutes=20")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML: {' '.join(str(error).split())}") from None
    *parents, last = key.strip().split(".")
    node: Any = data
    for part in parents:
        node = _child(node, part, override)
    if isinstance(node, list):
        node[_position(node, last, override)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ConfigError(f"--set {override}: '{'.'.join(parents)}' is a single value and has no '{last}'")


def _child(node: Any, part: str, override: str) -> Any:
    if isinstance(node, list):
        return node[_position(node, part, override)]
    if not isinstance(node, dict):
        raise ConfigError(f"--set {override}: '{part}' lies under a single value")
    if node.get(part) is None:
        node[part] = {}
    return node[part]


def _position(node: list[Any], part: str, override: str) -> int:
    if not part.isdecimal() or int(part) >= len(node):
        raise ConfigError(f"--set {override}: '{part}' is not a position in a list of {len(node)} (0 is the first)")
    return int(part)


def make_paths_absolute(data: dict[str, Any], base: Path) -> None:
    """Read relative paths of what curation reads, of a tokenizer and of a band as under `base`.

    Data of the wrong shape is left for validation to name.
    """
    curate = data.get("curate")
    listed = [*_paths_of_curation(curate), (curate.get("groups"), "terms")] if isinstance(curate, dict) else []
    pretrain = data.get("pretrain")
    watch = pretrain.get("watch") if isinstance(pretrain, dict) else None
    for place, key in [*listed, (data.get("tokenizer"), "path"), (watch, "band")]:
        if isinstance(place, dict) and isinstance(place.get(key), str):
            place[key] = str((base / _at_home(place[key])).absolute())


def _paths_of_curation(curate: dict[str, Any]) -> list[tuple[Any, str]]:
    """Return what may hold a path, with the key that it has there: sources, sets of rules, items of benchmarks, models."""
    decontaminate = curate.get("decontaminate")
    items = decontaminate.get("items") if isinstance(decontaminate, dict) else None
    rules = curate.get("rules")
    lists = (
        (curate.get("sources"), "path"),
        (rules, "word_list"),
        (rules, "classifier"),
        (rules, "perplexity_model"),
        (items, "path"),
    )
    found: list[tuple[Any, str]] = [(place, key) for places, key in lists if isinstance(places, list) for place in places]
    perplexity = curate.get("perplexity")
    models = perplexity.get("models") if isinstance(perplexity, dict) else None
    return [*found, (curate, "perplexity"), *((models, str(language)) for language in (models if isinstance(models, dict) else ()))]


def _at_home(path: str) -> Path:
    """Return the path with a leading ~ or ~user replaced by that home, if there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def recipe_schema() -> str:
    """Return the JSON Schema of recipes, for editors."""
    return json.dumps(Recipe.model_json_schema(), indent=2) + "\n"
