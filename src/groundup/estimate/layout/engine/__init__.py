"""What groundup's own engine does with a layout: its stages, what each holds, and what it sends."""
