"""Write the generated parts of the documents between their marks."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from groundup.core.config import Config
from groundup.curate.privacy import KINDS
from groundup.curate.privacy.config import DEFAULT_KINDS
from groundup.curate.privacy.facts import FACTS
from groundup.curate.privacy.kind import placeholder
from groundup.curate.rules.config import RULE_ORDERS
from groundup.curate.rules.lines import LINE_MEASURES
from groundup.curate.rules.measures import MEASURES
from groundup.curate.rules.published import RULE_SETS
from groundup.curate.rules.rule import Mark, Rule
from groundup.estimate.formats import FORMATS
from groundup.estimate.layout.priors import priors_file
from groundup.pipeline import STAGES
from groundup.plan.candidates import THRESHOLDS
from groundup.plan.formats import answer
from groundup.recipe import Recipe
from groundup.report.number_formats import SAMPLE

ROOT = Path(__file__).parents[1]
_BOUNDS = {"gt": "> {}", "ge": ">= {}", "lt": "< {}", "le": "<= {}", "min_length": "at least {}"}
"""Attributes of a field's constraints -> what the table says of them."""
BAR = "\\|"
"""A bar inside a cell of a Markdown table."""
_PLAIN_TYPES = {bool: "true or false", int: "integer", float: "number", str: "text", Path: "path"}


def stage_table() -> str:
    """Return the table of the line's stages as Markdown."""
    rows = [f"| `{stage.verb}` | {stage.what} | {stage.makes} | {stage.answers} |" for stage in STAGES]
    return _table("stage | eats | makes | what it answers", rows)


def key_table() -> str:
    """Return the table of all keys of a recipe as Markdown, in the order of the models."""
    return _table("key | type | default | meaning", list(_key_rows(Recipe, "")))


def rule_table() -> str:
    """Return the table of all quality rules as Markdown, in the order in which they are asked."""
    rows = []
    for name, rule_set in RULE_SETS.items():
        rows += [_step_row(name, rule, "document as it comes") for rule in rule_set.before]
        rows += [_step_row(name, step, "line") for step in rule_set.lines]
        rows += [_step_row(name, rule, "document") for rule in rule_set.rules]
    return _table("rule set | rule | of a | what is measured | kept | source", rows)


def _step_row(name: str, step: Rule | Mark, unit: str) -> str:
    if isinstance(step, Mark):
        return f"| `{name}` | `{step.name}` | {unit} | taken out: {step.description} | | {step.source} |"
    kept = f"{step.bound.replace('_', ' ')} {_number(step.threshold)}"
    return f"| `{name}` | `{step.name}` | {unit} | `{step.measure}` | {kept} | {step.source} |"


def measure_table() -> str:
    """Return the table of what can be measured of a document, then of a line, as Markdown."""
    rows = [f"| `{name}` | document | {measure.description} |" for name, measure in MEASURES.items()]
    rows += [f"| `{name}` | line | {measure.description} |" for name, measure in LINE_MEASURES.items()]
    return _table("measure | of a | what it is", rows)


def rule_set_list() -> str:
    """Return the rule sets with their sources as a list in Markdown."""
    orders = [f"- `{name}`: {', then '.join(f'`{inner}`' for inner in sets)}" for name, sets in RULE_ORDERS.items()]
    return "\n".join(
        [*(f"- `{name}` (version {rule_set.version}): {rule_set.source}" for name, rule_set in RULE_SETS.items()), *orders]
    )


def kind_table() -> str:
    """Return the table of the kinds of personal data as Markdown, the first to win where two overlap on top."""
    rows = [
        f"| `{name}`{'' if name in DEFAULT_KINDS else ' (on request)'} | `{placeholder(name)}` | {kind.finds} | {kind.check} | "
        f"{kind.passes_over} | {kind.source} |"
        for name, kind in KINDS.items()
    ]
    return _table("kind | becomes | what is found | what is checked | what is passed over | source", rows)


def key_shape_table() -> str:
    """Return the table of the shapes of keys as Markdown."""
    rows = [f"| {row['name']} | `{row['shape'].replace('|', BAR)}` | {row['source']} |" for row in FACTS["key_shapes"]]
    return _table("key | shape | source", rows)


def format_table() -> str:
    """Return the table of all number formats as Markdown, with pi in each."""
    rows = []
    for row in answer("pi").formats:
        found = FORMATS[row.format]
        small = [f"{value:.3g}" if value else "" for value in (row.smallest_normal, row.smallest_subnormal)]
        bits = f"{row.sign_bits}, {row.exponent_bits}, {row.fraction_bits}"
        pi = f"{row.stored:.17g} (`{row.hex}`)"
        sizes = f"{row.bytes:g} | {bits} | {row.largest:.5g} | {' | '.join(small)}"
        rows.append(f"| {found.title} | {sizes} | {pi} | {row.abs_error:.2g} | {found.source} |")
    sizes = "bytes | sign, exponent, fraction bits | largest | smallest normal | smallest"
    return _table(f"format | {sizes} | pi is stored as | error | source", rows)


def error_table() -> str:
    """Return the table of the errors of normal numbers by format and scaling as Markdown."""
    tensor = answer(normal=SAMPLE).tensor
    assert tensor is not None
    rows = []
    for row in tensor.projections:
        shared = {"tensor": "the tensor", "row": "a row", "group": f"{row.group_size} values"}.get(str(row.granularity), "")
        errors = " | ".join(f"{value:.2g}" for value in (row.max_abs, row.mean_abs, row.rms))
        method = row.method.replace("_", "-")
        title = FORMATS[row.format].title
        rows.append(f"| {title} | {method} | {shared} | {row.bytes_per_value:.4g} | {errors} | {row.sqnr_db:.1f} |")
    return _table("format | scaling | a scale for | bytes a value | largest error | mean | RMS | SQNR [dB]", rows)


def threshold_table() -> str:
    """Return the table of the numbers that a choice turns on as Markdown."""
    rows = [f"| `{threshold.name}` | {threshold.value:g} | {threshold.source} |" for threshold in THRESHOLDS]
    return _table("name | value | where it is from", rows)


def prior_table() -> str:
    """Return how far predicted speeds are off, each family of published runs left out of the fit in turn."""
    facts = priors_file()
    rows = [
        f"| {family} | {count} | {error['median_absolute']:.1%} | {error['median']:+.1%} |"
        for family, count in facts["rows"].items()
        for error in (facts["left_out_error"][family],)
    ]
    return _table("left out | runs | median error of tokens/s | with its sign", rows)


REGIONS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("README.md", "stages", stage_table),
    ("docs/recipe.md", "keys", key_table),
    ("docs/curate.md", "rule sets", rule_set_list),
    ("docs/curate.md", "rules", rule_table),
    ("docs/curate.md", "measures", measure_table),
    ("docs/privacy.md", "kinds", kind_table),
    ("docs/privacy.md", "keys", key_shape_table),
    ("docs/layout.md", "priors", prior_table),
    ("docs/numbers.md", "formats", format_table),
    ("docs/numbers.md", "errors", error_table),
    ("docs/choose.md", "thresholds", threshold_table),
)
"""(document, name of the marks, what stands between them)."""


def filled(text: str, name: str, generated: str) -> str:
    """Return the document with `generated` between the marks of `name`; ValueError if they are missing."""
    start, end = f"<!-- {name}: generated by `make docs` -->", f"<!-- /{name} -->"
    if start not in text or end not in text:
        raise ValueError(f"the marks {start} and {end} are missing")
    return re.sub(f"{re.escape(start)}.*?{re.escape(end)}", lambda _: f"{start}\n{generated}\n{end}", text, flags=re.DOTALL)


def _table(head: str, rows: list[str]) -> str:
    rule = "|".join("---" for _ in head.split(" | "))
    return "\n".join([f"| {head} |", f"|{rule}|", *rows])


def _key_rows(model: type[Config], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        inner = _config_in(field.annotation)
        kind, bounds, default = _type_words(field.annotation), _bounds(field), _default(field)
        meaning = field.description or (str(inner.__doc__).splitlines()[0] if inner else "")
        cells = (f"`{key}`", f"{kind}, {bounds}" if bounds else kind, default, meaning)
        yield f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"
        if inner is not None:
            yield from _key_rows(inner, f"{key}.N." if get_origin(field.annotation) is tuple else f"{key}.")


def _config_in(annotation: Any) -> type[Config] | None:
    """Return the settings class that a field holds, by itself, as a list or beside null."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation
    return next((inner for argument in get_args(annotation) if (inner := _config_in(argument))), None)


def _type_words(annotation: Any) -> str:
    annotation = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in arguments)
    if origin is tuple:
        return f"list of {_type_words(arguments[0])}".replace("list of section", "list of sections")
    if origin in (Union, UnionType):
        return " or ".join(_type_words(argument) for argument in arguments)
    if issubclass(annotation, Config):
        return "section"
    if get_origin(annotation) is dict:
        return "name: {}".format(" ".join(map(_type_words, get_args(annotation)[1:])))
    return "null" if annotation is NoneType else _PLAIN_TYPES[annotation]


def _bounds(field: FieldInfo) -> str:
    found = [
        words.format(_number(getattr(constraint, name)))
        for constraint in field.metadata
        for name, words in _BOUNDS.items()
        if getattr(constraint, name, None) is not None
    ]
    patterns = [f"`{pattern}`" for constraint in field.metadata if (pattern := getattr(constraint, "pattern", None))]
    return ", ".join([*found, *patterns])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if isinstance(value, Config):
        return "as below"
    if isinstance(value, tuple | dict):
        return ", ".join(f"`{item}`" for item in value) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"`{value}`" if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def main() -> None:
    """Fill every region of every document."""
    for name, mark, generate in REGIONS:
        document = ROOT / name
        try:
            document.write_text(filled(document.read_text(), mark, generate()))
        except ValueError as error:
            sys.exit(f"{document}: {error}")


if __name__ == "__main__":
    main()
