"""What is done beside the training steps, each thing in a file of its own."""
