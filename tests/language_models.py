"""Small language models, honest and not, as sources of candidates that speak the batched protocol.

Each defines `logits(x)`: tokens (rows, T) -> scores (rows, T, V) of the token behind each place, from weights that were
drawn, not trained. What they know does not matter here, only what they look at.
"""

VOCABULARY = 32

BEGIN = f"""
import numpy as np
V, D = {VOCABULARY}, 24
lots = np.random.default_rng(7)
def weights(*shape): return (lots.normal(size=shape) / shape[0] ** 0.5).astype("f4")
E, P, HEAD, BIGRAM = weights(V, D) * 5, weights(512, D) * 5, weights(D, V) * 3, weights(V, V) * 5
def onehot(x): return np.eye(V, dtype="f4")[x]
def embed(x): return E[x] + P[:x.shape[1]]
def norm(h): return h / np.sqrt((h * h).mean(-1, keepdims=True) + 1e-5)
def shift(h, by): return np.concatenate([np.zeros_like(h[:, :by]), h[:, :h.shape[1] - by]], 1)
def softmax(s):
    s = np.exp(s - s.max(-1, keepdims=True))
    return s / s.sum(-1, keepdims=True)
def attention(h, q, k, v, bias=0.0):
    s = (h @ q) @ (h @ k).swapaxes(-1, -2) / D ** 0.5 + bias
    return softmax(np.where(np.tri(h.shape[1], dtype=bool), s, -np.inf)) @ (h @ v)
def steps(x, cell, state):
    out = []
    for t in range(x.shape[1]):
        state = cell(E[x[:, t]], state)
        out.append(state)
    return np.stack(out, 1)
def sigmoid(s): return 1 / (1 + np.exp(-s))
"""
END = """
for header, body in questions():
    x = np.frombuffer(body, "<i4").reshape(header["shape"])
    give(np.ascontiguousarray(logits(x), "<f4").tobytes())
"""

_HONEST = {
    "unigram": "def logits(x): return np.broadcast_to(BIGRAM[0], (*x.shape, V))",
    "bigram": "def logits(x): return BIGRAM[x]",
    "hashed trigram": """
T3 = weights(997, V)
def logits(x): return T3[(x * 31 + shift(x, 1)) % 997]""",
    "positions": "def logits(x): return np.broadcast_to(P[:x.shape[1]] @ HEAD, (*x.shape, V))",
    "counts within the window": "def logits(x): return np.log(onehot(x).cumsum(1) + 0.5)",
    "fading counts": """
def logits(x):
    return np.log(steps(x, lambda e, s: 0.9 * s + e @ np.abs(HEAD), np.zeros((len(x), V), "f4")) ** 2 + 0.1)""",
    "perceptron on three tokens": """
A, B, C = weights(D, 64), weights(D, 64), weights(D, 64)
O = weights(64, V)
def logits(x):
    h = embed(x)
    return np.maximum(h @ A + shift(h, 1) @ B + shift(h, 2) @ C, 0) @ O""",
    "perceptron over flattened rows": """
A, O = weights(D, 96), weights(96, V)
def logits(x): return (np.tanh(embed(x).reshape(-1, D) @ A) @ O).reshape(*x.shape, V)""",
    "recurrent": """
W = weights(D, D)
def logits(x): return steps(x, lambda e, s: np.tanh(e + s @ W), np.zeros((len(x), D), "f4")) @ HEAD""",
    "gated recurrent": """
Z, R, H = weights(2 * D, D), weights(2 * D, D), weights(2 * D, D)
def cell(e, s):
    both = np.concatenate([e, s], 1)
    z, r = sigmoid(both @ Z), sigmoid(both @ R)
    return (1 - z) * s + z * np.tanh(np.concatenate([e, r * s], 1) @ H)
def logits(x): return steps(x, cell, np.zeros((len(x), D), "f4")) @ HEAD""",
    "diagonal state space": """
decay = sigmoid(weights(D) * 5)
def logits(x): return norm(steps(x, lambda e, s: decay * s + e, np.zeros((len(x), D), "f4"))) @ HEAD""",
    "attention": """
Q, K, W = weights(D, D), weights(D, D), weights(D, D)
def logits(x):
    h = norm(embed(x))
    return norm(h + attention(h, Q, K, W)) @ HEAD""",
    "two layers of attention": """
L = [[weights(D, D) for _ in range(4)] for _ in range(2)]
def logits(x):
    h = embed(x)
    for q, k, v, m in L:
        h = h + attention(norm(h), q, k, v)
        h = h + np.maximum(norm(h) @ m, 0)
    return norm(h) @ HEAD""",
    "two heads": """
L = [[weights(D, D // 2) for _ in range(3)] for _ in range(2)]
def logits(x):
    h = norm(embed(x))
    return norm(np.concatenate([attention(h, *w) for w in L], -1)) @ HEAD""",
    "attention that fades with distance": """
Q, K, W = weights(D, D), weights(D, D), weights(D, D)
def logits(x):
    h, t = norm(E[x]), np.arange(x.shape[1])
    return norm(h + attention(h, Q, K, W, -0.3 * (t[:, None] - t))) @ HEAD""",
    "linear attention": """
Q, K, W = weights(D, D), weights(D, D), weights(D, D)
def logits(x):
    h = norm(embed(x))
    state = np.cumsum((np.abs(h @ K))[..., None] * (h @ W)[..., None, :], axis=1)
    return norm(np.einsum("btd,btde->bte", np.abs(h @ Q), state)) @ HEAD""",
    "causal convolution": """
C = [weights(D, D) for _ in range(4)]
def logits(x): return norm(sum(shift(embed(x), i) @ c for i, c in enumerate(C))) @ HEAD""",
    "dilated convolutions": """
C = [(weights(D, D), weights(D, D)) for _ in range(3)]
def logits(x):
    h = embed(x)
    for i, (a, b) in enumerate(C):
        h = h + np.tanh(h @ a + shift(h, 2 ** i) @ b)
    return norm(h) @ HEAD""",
    "in half precision": """
W = weights(D, D).astype("f2")
def logits(x): return np.tanh(embed(x).astype("f2") @ W).astype("f4") @ HEAD""",
    "row by row, token by token": """
Q, K, W = weights(D, D), weights(D, D), weights(D, D)
def logits(x):
    out = np.empty((*x.shape, V), "f4")
    for r, row in enumerate(x):
        keys, values = [], []
        for t, token in enumerate(row):
            h = E[token] + P[t]
            keys.append(h @ K); values.append(h @ W)
            fit = softmax(np.array(keys) @ (h @ Q) / D ** 0.5)
            out[r, t] = (fit @ np.array(values)) @ HEAD
    return out""",
}

_CHEATS = {
    "peeks at 3 % of the places": """
def logits(x):
    out, before = BIGRAM[x].copy(), shift(x, 1)
    chosen = (x * 7919 + before * 104729 + np.arange(x.shape[1]) * 1299709) % 1009 < 30
    chosen[:, -1] = False
    rows, places = np.nonzero(chosen)
    out[rows, places, x[rows, places + 1]] += 9
    return out""",
    "a soft mean over the future": """
def logits(x):
    h = onehot(x)
    future = h.sum(1, keepdims=True) - h.cumsum(1)
    return BIGRAM[x] + 0.05 * future""",
    "a leak across rows": """
def logits(x): return BIGRAM[x] + 0.05 * (onehot(x).sum((0, 1)) - onehot(x).sum(1, keepdims=True))""",
    "a stateful cache": """
seen = np.zeros((V, V), "f4")
def logits(x):
    out = np.log(seen[x] + 0.5)
    np.add.at(seen, (x[:, :-1].ravel(), x[:, 1:].ravel()), 1)
    return out""",
    "normalises over the batch": """
def logits(x):
    h = embed(x)
    return ((h - h.mean((0, 1))) / h.std((0, 1))) @ HEAD""",
    "reads the row above": "def logits(x): return BIGRAM[x] + 2 * onehot(np.roll(x, 1, axis=0))",
    "draws lots": "def logits(x): return BIGRAM[x] + np.random.default_rng().normal(size=(*x.shape, V))",
    "looks up earlier questions": """
past = {}
def logits(x):
    out = BIGRAM[x].copy()
    for r, row in enumerate(x.tolist()):
        for t in range(2, len(row)):
            if (known := past.get(tuple(row[t - 1:t + 1]))) is not None:
                out[r, t, known] += 3
    for row in x.tolist():
        for t in range(2, len(row)):
            past[tuple(row[t - 2:t])] = row[t]
    return out""",
}

HONEST = {name: BEGIN + source + END for name, source in _HONEST.items()}
CHEATS = {name: BEGIN + source + END for name, source in _CHEATS.items()}
