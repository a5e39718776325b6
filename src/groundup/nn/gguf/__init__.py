"""Models as GGUF files, which llama.cpp and others run."""
