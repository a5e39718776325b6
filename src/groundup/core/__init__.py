"""What every layer needs and that knows nothing of language models."""
