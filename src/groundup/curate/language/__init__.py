"""The language of documents and lines, found without a network."""
