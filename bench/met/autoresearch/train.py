"""Train a small language model for a fixed number of steps and print how it does. Usage: uv run train.py"""

import time

import numpy as np
from prepare import TIME_BUDGET, VOCAB, evaluate_bpb, load_data

# ---------------------------------------------------------------------------
# Hyperparameters (edit these directly)
# ---------------------------------------------------------------------------

CONTEXT = 3             # characters that are seen
EMBEDDING = 8           # width of a character
HIDDEN = 48             # width of the hidden layer
BATCH_SIZE = 64
LEARNING_RATE = 0.002
BETA1, BETA2 = 0.9, 0.99
WEIGHT_DECAY = 0.0
WARMUP_RATIO = 0.0
WARMDOWN_RATIO = 0.2

# ---------------------------------------------------------------------------
# Setup
# ---------------------------------------------------------------------------

t_start = time.time()
rng = np.random.default_rng(42)
train_tokens, val_tokens = load_data()
V = len(VOCAB)

params = {
    "embed": 0.3 * rng.normal(size=(V, EMBEDDING)),
    "w1": rng.normal(size=(CONTEXT * EMBEDDING, HIDDEN)) / np.sqrt(CONTEXT * EMBEDDING),
    "b1": np.zeros(HIDDEN),
    "w2": 0.1 * rng.normal(size=(HIDDEN, V)) / np.sqrt(HIDDEN),
    "b2": np.zeros(V),
}
first = {name: np.zeros_like(p) for name, p in params.items()}
second = {name: np.zeros_like(p) for name, p in params.items()}


def forward(windows):
    x = params["embed"][windows].reshape(len(windows), -1)
    h = np.tanh(x @ params["w1"] + params["b1"])
    logits = h @ params["w2"] + params["b2"]
    logits -= logits.max(1, keepdims=True)
    return x, h, logits - np.log(np.exp(logits).sum(1, keepdims=True))


def get_lr_multiplier(progress):
    if progress < WARMUP_RATIO:
        return progress / WARMUP_RATIO
    if progress > 1 - WARMDOWN_RATIO:
        return (1 - progress) / WARMDOWN_RATIO
    return 1.0


# ---------------------------------------------------------------------------
# Training loop
# ---------------------------------------------------------------------------

for step in range(TIME_BUDGET):
    starts = rng.integers(0, len(train_tokens) - CONTEXT - 1, BATCH_SIZE)
    windows = train_tokens[starts[:, None] + np.arange(CONTEXT)]
    targets = train_tokens[starts + CONTEXT]
    x, h, logp = forward(windows)
    d = np.exp(logp)
    d[np.arange(BATCH_SIZE), targets] -= 1
    d /= BATCH_SIZE
    dh = (d @ params["w2"].T) * (1 - h ** 2)
    dx = (dh @ params["w1"].T).reshape(BATCH_SIZE, CONTEXT, EMBEDDING)
    dembed = np.zeros_like(params["embed"])
    np.add.at(dembed, windows, dx)
    grads = {"embed": dembed, "w1": x.T @ dh, "b1": dh.sum(0), "w2": h.T @ d, "b2": d.sum(0)}
    lr = LEARNING_RATE * get_lr_multiplier(step / TIME_BUDGET)
    for name, grad in grads.items():
        first[name] = BETA1 * first[name] + (1 - BETA1) * grad
        second[name] = BETA2 * second[name] + (1 - BETA2) * grad ** 2
        m, v = first[name] / (1 - BETA1 ** (step + 1)), second[name] / (1 - BETA2 ** (step + 1))
        params[name] -= lr * (m / (np.sqrt(v) + 1e-8) + WEIGHT_DECAY * params[name])

t_training = time.time() - t_start
val_bpb = evaluate_bpb(lambda windows: forward(windows)[2], val_tokens, CONTEXT, rng)

print("---")
print(f"val_bpb:          {val_bpb:.6f}")
print(f"training_seconds: {t_training:.1f}")
print(f"total_seconds:    {time.time() - t_start:.1f}")
print(f"num_steps:        {TIME_BUDGET}")
print(f"num_params_K:     {sum(p.size for p in params.values()) / 1e3:.1f}")
