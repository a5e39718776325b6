"""A classifier on disk."""

from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from groundup.artifacts.text_classifier import CLASSIFIER_FILE, CLASSIFIER_WEIGHTS, FORMAT_VERSION, TextClassifier
from groundup.core.errors import REMAKE, ArtifactError, ConfigError
from groundup.core.files import storage_errors, write_bytes, write_json
from groundup.curate.classifier.config import FeaturesConfig
from groundup.curate.classifier.linear import Calibration, LinearClassifier

_HASH_CHARS = 12


def write_classifier(out: Path, classifier: LinearClassifier, facts: dict[str, Any]) -> None:
    """Write the classifier with what is known of it."""
    write_bytes(out / CLASSIFIER_WEIGHTS, save({"weights": classifier.weights}))
    own = {
        "version": FORMAT_VERSION,
        "features": classifier.features.model_dump(mode="json"),
        "bias": classifier.bias,
        "calibration": {"slope": classifier.calibration.slope, "intercept": classifier.calibration.intercept},
    }
    write_json(out / CLASSIFIER_FILE, own | facts)


def open_classifier(path: Path) -> LinearClassifier:
    """Return the classifier of a folder; raise ArtifactError if it is none, damaged, or of another version."""
    artifact = TextClassifier.open(path)
    facts = artifact.facts
    artifact.check_whole()
    try:
        features = FeaturesConfig.parse(facts["features"], str(path / CLASSIFIER_FILE))
        calibration = Calibration(float(facts["calibration"]["slope"]), float(facts["calibration"]["intercept"]))
        with storage_errors(artifact.weights_file):
            weights = load(artifact.weights_file.read_bytes())["weights"]
        name = f"classifier {artifact.content_hash[:_HASH_CHARS]}"
        classifier = LinearClassifier(features, weights, float(facts["bias"]), calibration, name)
    except (KeyError, TypeError, ValueError, SafetensorError, ConfigError) as error:
        raise ArtifactError(f"{path}: not a classifier that can be read ({error!r}); {REMAKE}") from None
    size = 1 << features.bucket_bits
    if weights.shape != (size,) or weights.dtype != np.float32:
        raise ArtifactError(f"{path}: weights {weights.dtype} {weights.shape}, {size:,} of float32 expected; {REMAKE}")
    return classifier
