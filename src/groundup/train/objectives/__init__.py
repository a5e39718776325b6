"""What a model is asked to predict: from rows of tokens to inputs and targets."""
