#!/usr/bin/env bash
# Make an environment for each trainer that groundup is measured beside: environments.sh DIR. torch is the same in all.
set -euo pipefail
mkdir -p "$1" && cd "$1"
TORCH="torch==2.13.0+cpu --extra-index-url https://download.pytorch.org/whl/cpu"

python3 -m venv transformers
transformers/bin/pip install --quiet $TORCH
transformers/bin/pip install --quiet "transformers==5.23.0" "accelerate==1.15.0"

# Their own requirements would bring another torch: installed without them, then what they import.
python3 -m venv litgpt
litgpt/bin/pip install --quiet $TORCH
litgpt/bin/pip install --quiet --no-deps "litgpt==0.5.13" "lightning==2.6.6" lightning-utilities torchmetrics litdata
litgpt/bin/pip install --quiet "huggingface-hub<1.4" safetensors tokenizers tqdm psutil numpy pyyaml packaging fsspec requests \
  "jsonargparse[signatures]<=4.41"
echo "now: git clone https://github.com/karpathy/nanoGPT && git -C nanoGPT checkout 3adf61e154c3fe3fca428ad6bc3818b27a3b8291"
