"""From a budget to a model: `plan budget`."""
