"""What llama.cpp makes of a GGUF file: `python llama_cpp_process.py FILE` reads {"texts", "prompts", "length"} from its standard
input and writes {"tokens", "answers"}, both as token ids."""

import json
import sys
import urllib.request
from typing import Any

import xllamacpp


def ask(address: str, verb: str, **order: Any) -> list[int]:
    """Return the tokens of the server's answer."""
    body = json.dumps(order).encode()
    request = urllib.request.Request(f"{address}/{verb}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        tokens: list[int] = json.load(answer)["tokens"]
    return tokens


def main() -> None:
    """Serve the file on loopback and ask."""
    asked = json.load(sys.stdin)
    settings = xllamacpp.CommonParams()
    settings.model.path = sys.argv[1]
    settings.n_ctx, settings.n_parallel, settings.warmup, settings.cpuparams.n_threads = 64, 1, False, 1
    server = xllamacpp.Server(settings)  # serves for as long as it is held
    at = server.listening_address
    greedy = {"temperature": 0.0, "top_k": 1, "n_predict": asked["length"], "return_tokens": True, "cache_prompt": False}
    found = {
        "tokens": [ask(at, "tokenize", content=text, add_special=False, parse_special=False) for text in asked["texts"]],
        "answers": [ask(at, "completion", prompt=prompt, **greedy) for prompt in asked["prompts"]],
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
