"""Modules that wait for their first use."""

import subprocess
import sys

import pytest

from groundup.core.lazy import lazy


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_module_is_loaded_at_the_first_use_of_what_it_holds() -> None:
    code = "import sys; from groundup.core.lazy import lazy; api = lazy('groundup.api'); assert 'groundup.api' not in sys.modules"
    done = run(f"{code}; print(api.run.__name__, 'groundup.api' in sys.modules)")
    assert done.stdout == "run True\n", done.stderr


def test_what_a_module_does_not_hold_is_an_error_as_ever() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = lazy("json").nonsense


@pytest.mark.parametrize("module", ["groundup.plan.machine", "groundup.plan.derive", "torch"])
def test_torch_may_be_imported_after_the_command_line(module: str) -> None:
    done = run(f"import groundup.cli, {module}, sys; print('groundup.diagnosis' in sys.modules)")
    assert done.stdout == "False\n", done.stderr
