"""Token, train, ship: raw text and a compute budget in, a language model you can trust and explain out."""
