"""What the documents say of the code is what the code is."""

import re
from pathlib import Path

import pytest
import typer.main
import yaml

import groundup
from groundup.cli import app
from groundup.pipeline import STAGES
from groundup.recipe import SHIPPED, Recipe, load_recipe

ROOT = Path(__file__).parents[2]
PACKAGE = Path(groundup.__file__).parent


def commands() -> set[str]:
    found = set()
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", {})
        found |= {f"{name} {sub}" for sub in inner}
        found |= {name} if not inner or command.invoke_without_command else set()
    return found


def test_interface_page_lists_the_commands() -> None:
    page = (ROOT / "docs/interface.md").read_text()
    rows = re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)
    listed = {" ".join(re.match(r"[a-z]+( [a-z][a-z-]*(?= ))?", row).group().split()) for row in rows}  # type: ignore[union-attr]
    assert listed == commands()


def test_stage_folders_exist_with_their_doors() -> None:
    for stage in STAGES:
        assert (PACKAGE / stage.verb / "run.py").is_file()


def test_architecture_names_what_is_there() -> None:
    tree = (ROOT / "ARCHITECTURE.md").read_text().split("```")[1]
    named = set(re.findall(r"([a-z_]+\.py|[a-z]+/)(?=\s|$)", tree))
    there = {
        path.name + ("/" if path.is_dir() else "")
        for path in PACKAGE.iterdir()
        if not path.name.startswith("_") and path.name != "py.typed"
    }
    assert there <= named, f"not in ARCHITECTURE.md: {sorted(there - named)}"
    places = (PACKAGE, PACKAGE / STAGES[0].verb, ROOT, ROOT / "src", ROOT / "tests")
    gone = {name for name in named if not any((place / name).exists() for place in places)}
    assert not gone, f"in ARCHITECTURE.md but not on disk: {sorted(gone)}"


def test_readme_stage_table_is_generated_from_the_pipeline() -> None:
    readme = (ROOT / "README.md").read_text()
    for stage in STAGES:
        assert f"| `{stage.verb}` | {stage.what} | {stage.makes} | {stage.answers} |" in readme


def test_readme_names_the_test_command() -> None:
    assert "make test" in (ROOT / "README.md").read_text()
    assert "make test" in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_recipes_load_and_survive_a_round_trip(file: Path) -> None:
    recipe = load_recipe(file)
    assert Recipe.parse(yaml.safe_load(yaml.safe_dump(recipe.resolved())), "again") == recipe


def test_commands_in_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    inner = "|".join(sorted({name.split()[1] for name in commands() if " " in name}))
    typed = re.findall(rf"(?:^|[`/ ])groundup ((?:[a-z]+)(?: (?:{inner}))?)(?= |`|$)", readme, re.MULTILINE)
    assert len(typed) >= 5
    assert set(typed) <= commands(), sorted(set(typed) - commands())


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named = set(re.findall(r"^make ([a-z]+)|`make ([a-z]+)`", page.read_text(), re.MULTILINE))
        assert {a or b for a, b in named} <= targets
