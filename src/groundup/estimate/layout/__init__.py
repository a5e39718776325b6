"""Where on many devices each part of a training step lies, and how long the step takes there."""
