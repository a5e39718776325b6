"""Shapes are checked while testing, in the modules that say any: beartype, an int being welcome as a float (PEP 484)."""

import functools
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from beartype import BeartypeConf, beartype

_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its annotations checked; the checker is made at the first call, which most never see."""

    @functools.cache
    def checked() -> Callable[..., Any]:
        return _checked(function)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return checked()(*args, **kwargs)

    return called


def modules_with_shapes(package: str) -> list[str]:
    """Return the modules of the package that annotate shapes; all other annotations are mypy's to check."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    files = [file for file in root.rglob("*.py") if "from jaxtyping import" in file.read_text(encoding="utf-8")]
    assert not any(file.name == "__init__.py" for file in files), "the hook would take all modules of the folder"
    return [".".join((package, *file.relative_to(root).with_suffix("").parts)) for file in files]
