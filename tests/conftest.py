"""Check the shape annotations of groundup while testing; each process of the tests computes on one thread."""

import atexit
import gc
import os
import shutil
import sys
import tempfile

os.environ["GROUNDUP_HOME"] = tempfile.mkdtemp(prefix="groundup-tests-")  # what the user's runs took is nothing to a test
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of commands are started: each would compile groundup anew

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

from groundup.core.log import set_quiet
from typechecks import modules_with_shapes

atexit.register(shutil.rmtree, os.environ["GROUNDUP_HOME"], ignore_errors=True)
sys.dont_write_bytecode = False
install_import_hook(modules_with_shapes("groundup"), "typechecks.check")
settings.register_profile("groundup", deadline=None)  # a busy machine is no failure
settings.load_profile("groundup")


def pytest_collection_finish() -> None:
    """Let searches for garbage pass over what was imported, which is the most of all objects, and stays."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _heard():
    """A command with --quiet or --json, run in this process, silences no test after it."""
    yield
    set_quiet(False)
