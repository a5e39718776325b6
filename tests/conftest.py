"""Check every shape annotation of groundup while testing; each process of the tests computes on one thread."""

import atexit
import os
import shutil
import tempfile

os.environ["GROUNDUP_HOME"] = tempfile.mkdtemp(prefix="groundup-tests-")  # what the user's runs took is nothing to a test
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

import groundup.artifacts.build
import groundup.curate.classifier.config
import groundup.ladder.config
import groundup.recipe
import groundup.train.parallel.config  # noqa: F401  before the hook: settings and artifacts hold no tensors, and beartype refuses Self in them
from groundup.core.log import set_quiet

atexit.register(shutil.rmtree, os.environ["GROUNDUP_HOME"], ignore_errors=True)
install_import_hook("groundup", "typechecks.check")
settings.register_profile("groundup", deadline=None)  # a busy machine is no failure
settings.load_profile("groundup")


@pytest.fixture(autouse=True)
def _heard():
    """A command with --quiet or --json, run in this process, silences no test after it."""
    yield
    set_quiet(False)
