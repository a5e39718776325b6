"""The generated parts of the documents are what the generator gives now; numbers and links in the pages are right."""

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

import groundup
from groundup.recipe import SHIPPED, load_recipe
from groundup.train.parallel.config import Layout, LocalSgd

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
UNITS = {"%": 0.01, "MB": 1e6, "MiB": 2**20}
ROUNDING = 1e-3  # a page may give R* as 15.39


def load_generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "scripts/generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()


@pytest.mark.parametrize("region", GENERATOR.REGIONS, ids=lambda region: f"{region[0]}-{region[1]}")
def test_generated_part_is_up_to_date(region: Any) -> None:
    name, mark, generate = region
    text = (ROOT / name).read_text()
    assert GENERATOR.filled(text, mark, generate()) == text, f"{name}: run `make docs`"


def test_missing_marks_are_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        GENERATOR.filled("no marks here", "keys", "")


def test_every_key_has_a_meaning() -> None:
    rows = [row.split(" | ") for row in GENERATOR.key_table().splitlines()[2:]]
    assert len(rows) > 50
    assert not [row for row in rows if len(row) != 4 or not row[3].strip(" |")]


EVERY_KEY = (
    "pretrain.schedule.name=wsd",
    "pretrain.batch_ramp={start_tokens: 1024, over_tokens: 100}",
    "pretrain.lengths=[{seq_len: 64, until_fraction: 0.5}]",
    "pretrain.mixture=[{from_fraction: 0.5, weights: {docs: 2}}]",
    "pretrain.profile={}",
    "pretrain.watch={band: band}",
    "curate.rules=[{name: own, word_list: w.txt, lines: [{measure: words, above: 1}], rules: [{measure: listed_words, below: 1}]}]",
    "encode.mix={shares: {docs: 51, licences: 49}}",
    "encode.curriculum={by: column, column: ease}",
    "pretrain.order=as_encoded",
    "curate.decontaminate.items=[{path: tasks}]",
    "parallel=" + Layout(dp=2, local_sgd=LocalSgd(islands=2)).model_dump_json(),
)
"""Settings with which a resolved recipe leaves out none as idle."""
OF_SOURCES = {"pretrain.mixture.N.weights.docs", "encode.mix.shares.docs", "encode.mix.shares.licences"}


def test_key_table_names_every_key_of_a_resolved_recipe() -> None:
    listed = set(re.findall(r"^\| `([^`]+)`", GENERATOR.key_table(), re.MULTILINE))

    def keys(node: Any, prefix: str = "") -> set[str]:
        if isinstance(node, list):
            return {key for item in node if isinstance(item, dict) for key in keys(item, f"{prefix}N.")}
        return {f"{prefix}{name}" for name in node} | {
            key for name, inner in node.items() if isinstance(inner, dict | list) for key in keys(inner, f"{prefix}{name}.")
        }

    assert keys(load_recipe(SHIPPED / "demo_cpu.yaml", EVERY_KEY).resolved()) - OF_SOURCES == listed


def constants() -> dict[str, float]:
    """Return every number that a module of the package binds to a name in capitals."""
    found = {}
    for file in Path(groundup.__file__).parent.rglob("*.py"):
        for statement in ast.parse(file.read_text()).body:
            if (
                isinstance(statement, ast.Assign)
                and isinstance(statement.targets[0], ast.Name)
                and statement.targets[0].id.isupper()
            ):
                text = ast.unparse(statement.value)
                if re.fullmatch(r"[\d_.e+<\s*-]+", text):
                    found[statement.targets[0].id] = float(eval(text))
    return found


def test_constants_quoted_in_the_pages_are_those_of_the_code() -> None:
    known = constants()
    quoted = [
        (page.name, name, float(number.replace(",", "")) * UNITS.get(unit, 1))
        for page in PAGES
        for name, number, unit in re.findall(r"`([A-Z][A-Z0-9_]+)`(?: = | \()([\d.,]*\d)\s?(%|MiB|MB)?", page.read_text())
    ]
    assert len(quoted) >= 8
    for page, name, value in quoted:
        assert known[name] == pytest.approx(value, rel=ROUNDING), f"docs/{page}: {name}"


def test_defaults_quoted_in_the_pages_are_those_of_the_code() -> None:
    defaults = dict(re.findall(r"^\| `([^`]+)` \| .*? \| `?([^`|]*?)`? \| ", GENERATOR.key_table(), re.MULTILINE))
    quoted = [
        (page.name, key, number)
        for page in PAGES
        for key, number in re.findall(r"`([a-z]+\.[A-Za-z_.]+)`(?: \(| \| )([\d.,]*\d(?:e-?\d+)?)", page.read_text())
    ]
    assert len(quoted) >= 12
    for page, key, number in quoted:
        stated, default = (float(text.replace(",", "")) for text in (number, defaults[key]))
        assert stated == default, f"docs/{page}: {key}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
