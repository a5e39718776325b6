"""Downstream tasks: fine-tune a checkpoint on examples, and count what it answers right."""
