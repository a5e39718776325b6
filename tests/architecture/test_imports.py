"""Imports point left only, stages do not know each other, and torch stays out of what must start fast."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import groundup

ROOT = Path(groundup.__file__).parent
STAGES = ("curate", "tokenizer", "encode", "plan", "pretrain", "evaluate", "export", "hub", "scaling")
LAYERS = ("core", "artifacts", "config", "estimate", "nn", "train", "stages", "recipe", "pipeline", "top")
LAYER_OF = {
    "core": "core",
    "artifacts": "artifacts",
    "estimate": "estimate",
    "nn": "nn",
    "train": "train",
    **dict.fromkeys(STAGES, "stages"),
    "recipe": "recipe",
    "pipeline": "pipeline",
}
ALL_FILES = sorted(ROOT.rglob("*.py"))
# The optional dependencies, and the measured start-up costs: module -> what may be imported inside a function there.
LOCAL_IMPORTS = {
    "groundup.core.engines.ray": {"ray"},
    "groundup.curate.sources.extraction.precision": {"trafilatura", "trafilatura.meta"},
    "groundup.curate.privacy.presidio": {
        "presidio_analyzer",
        "presidio_analyzer.nlp_engine",
        "presidio_analyzer.predefined_recognizers",
        "spacy",
    },
    "groundup.curate.sources.hub": {"datasets"},
    "groundup.export.verify": {"transformers"},
}


def module_of(file: Path) -> str:
    parts = ("groundup", *file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def layer_of(module: str) -> int:
    """Return the layer's position; settings (`config.py` of any package) are a layer of their own."""
    is_config = module.endswith(".config") and unit_of(module) != "core"
    return LAYERS.index("config" if is_config else LAYER_OF.get(unit_of(module), "top"))


def groundup_imports(file: Path) -> list[tuple[int, str]]:
    """Return (line, module) of every import of groundup in the file; names imported from a package count as modules if they are."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names if alias.name.startswith("groundup")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("groundup"):
            found += [
                (node.lineno, f"{node.module}.{alias.name}" if node.module == "groundup" else str(node.module))
                for alias in node.names
            ]
    return found


@pytest.mark.parametrize("file", ALL_FILES, ids=module_of)
def test_imports_point_left(file: Path) -> None:
    unit = unit_of(module_of(file))
    for line, module in groundup_imports(file):
        other = unit_of(module)
        place = f"{file.relative_to(ROOT.parent)}:{line} imports {module}"
        assert layer_of(module) <= layer_of(module_of(file)), f"{place}, which lies to the right of '{unit}'"
        if unit in STAGES and other in STAGES:
            assert unit == other, f"{place}: a stage does not import another stage; pass an artifact"


@pytest.mark.parametrize("file", ALL_FILES, ids=module_of)
def test_no_import_inside_functions(file: Path) -> None:
    allowed = LOCAL_IMPORTS.get(module_of(file), set())
    for function in ast.walk(ast.parse(file.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                names = (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
                for name in names:
                    assert name in allowed, f"{file.relative_to(ROOT.parent)}:{node.lineno} imports {name} inside {function.name}()"


@pytest.mark.parametrize(
    "module", ["groundup", "groundup.cli", "groundup.recipe", "groundup.pipeline", "groundup.artifacts.checkpoint"]
)
def test_starts_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, f"import {module} loads torch"


def test_verbs_start_without_what_few_of_them_use() -> None:
    code = "import json, sys, groundup.api; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"torch", "scipy", "resiliparse", "fastwarc", "transformers", "matplotlib"} & set(json.loads(done.stdout))


def test_help_without_torch() -> None:
    lines = ["import sys", "sys.argv = ['groundup', '--help']", "from groundup.cli import app"]
    code = "\n".join([*lines, "try: app()", "except SystemExit: sys.exit('torch' in sys.modules)"])
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout
