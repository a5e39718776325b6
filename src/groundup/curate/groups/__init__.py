"""What a choice of documents does to those that name groups of people."""
