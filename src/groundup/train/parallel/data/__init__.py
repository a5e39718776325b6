"""How weights, gradients and states lie on the ranks that read different text."""
