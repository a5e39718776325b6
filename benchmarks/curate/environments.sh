#!/usr/bin/env bash
# Make an environment for each tool that curation is measured beside: environments.sh DIR.
set -euo pipefail
mkdir -p "$1" && cd "$1"

# English words come from spaCy, which none of datatrove's extras bring without TensorFlow.
python3 -m venv datatrove
datatrove/bin/pip install --quiet "datatrove[io,processing]==0.10.1" "spacy==3.8.7"

python3 -m venv datasketch
datasketch/bin/pip install --quiet "datasketch==2.0.0"

# Its own requirements would bring Spark and TensorFlow: installed without them, then what its MinHash imports.
python3 -m venv text-dedup
text-dedup/bin/pip install --quiet --no-deps "text-dedup==0.4.0"
text-dedup/bin/pip install --quiet "datasets>=2.17" "numpy>=1.26" "click>=8.1,<9" "click-option-group<0.6" fire scipy tqdm rich regex xxhash psutil bitarray ftfy

python3 -m venv sklearn
sklearn/bin/pip install --quiet "scikit-learn==1.9.1"
