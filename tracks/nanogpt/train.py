"""A small GPT that reads documentation, in PyTorch: the settings, the transformer, its optimisers, the training, and serving.

    python train.py            learns for budget.TOKENS tokens under $OVERNIGHT_SEED, and leaves weights.pt in $OVERNIGHT_OUT
    python train.py --serve    answers windows of tokens with the logits of what comes behind each place

Read it from top to bottom. The same code runs on one core of a CPU and, where there is one, on a GPU, with a larger rung
(README.md).
"""

import hashlib
import json
import math
import os
import sys
from pathlib import Path

from budget import LAYERS, LENGTH, TOKENS, VOCABULARY, WIDTH, batches, steps

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    raise SystemExit("PyTorch is missing in the environment of this track: run `.venv/bin/pip install torch==2.13.0 numpy` in "
                     "its folder (README.md).") from None

# ---- Settings: how it learns -------------------------------------------------------------------------------------
# Where a source is named the value is the one published there: [a] karpathy/autoresearch, train.py, whose model has 8 layers
# and reads half a million tokens in a step; [m] KellerJordan/Muon, muon.py. A good beginning, not tuned for this size.

BATCH = 16  # windows in a step; what is learnt from is fixed, so twice as many are half the steps  # knob: size 4..64
EMBED_LR = 0.6  # of the token embeddings and the value embeddings, at a width of 768 [a]  # knob: log 0.1..2.4
HEAD_LR = 0.004  # of the output layer, at a width of 768 [a]  # knob: log 0.001..0.032
MATRIX_LR = 0.04  # of all other matrices: the norm of a step in each direction [a]  # knob: log 0.01..0.16
SCALAR_LR = 0.5  # of the scalars that mix the first embedding in; the others have a 100th of it [a]  # knob: log 0.05..2.0
MATRIX_WD = 0.2  # decay of those matrices: this times the rate is the share lost in a step [a]  # knob: linear 0.0..0.8
VE_WD = 0.0  # the same of the value embeddings [a]  # knob: log 1e-4..1e-1
BETA1 = 0.8  # AdamW's memory of the gradient, as the share kept in a step [a]  # knob: linear 0.5..0.95
BETA2 = 0.95  # its memory of the squared gradient [a]
MOMENTUM = 0.95  # Muon's memory of the gradient [a] [m]
WARMDOWN = 0.5  # the last share of the steps, in which the rates fall along a line [a]  # knob: linear 0.2..1.0
FINAL_LR = 0.0  # what of the rates is left at the end [a]  # knob: linear 0.0..0.4

# ---- Settings: what it is. Change these with an idea, not by turning ---------------------------------------------

HEAD_SIZE = 16  # numbers of one attention head  # knob: off
WIDER = 4  # hidden units of a perceptron for each number of the width [a]  # knob: off
GATE = 32  # numbers of the width that decide how much of the value embedding each head takes [a]  # knob: off
SOFTCAP = 15.0  # no logit lies beyond it [a]  # knob: off
X0 = 0.1  # how much of the first embedding is mixed into each layer, to begin with [a]  # knob: off
ROTARY_BASE = 10_000.0  # the slowest pair of a head turns once in about 6 times so many tokens [a]  # knob: off
TUNED_WIDTH = 768  # the width that the rates of AdamW were tuned at; they grow with its root over ours [a]  # knob: off
ADAM_EPS = 1e-10  # [a]  # knob: off
ITERATIONS = 5  # of Newton and Schulz in each step of Muon [m]  # knob: off
QUINTIC = (3.4445, -4.7750, 2.0315)  # its coefficients, chosen for the steepest rise from zero [m]  # knob: off
LINES = 20  # lines that tell how it goes  # knob: off


def norm(x):
    """Each row at a root mean square of 1, without weights of its own."""
    return F.rms_norm(x, (x.shape[-1],))


def linear(inputs, outputs):
    """A matrix, without a bias."""
    return nn.Linear(inputs, outputs, bias=False)  # knob: off


# ---- The transformer ---------------------------------------------------------------------------------------------


def rotated(x, turns):
    """Turn each pair of numbers of the queries or keys, (rows, heads, length, head size), by an angle that grows with its
    place, so that a product of two depends on how far apart they stand (Su et al. 2021)."""
    cos, sin = turns
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


def turns_of(length, size):
    """Cosine and sine of those angles, (length, size / 2) each."""
    speeds = ROTARY_BASE ** -(torch.arange(size // 2) / (size // 2))
    angles = torch.outer(torch.arange(length).float(), speeds)
    return angles.cos(), angles.sin()


class Attention(nn.Module):
    """Each place gathers from those before it what its queries match. Queries and keys are normalised, so that no product runs
    away. A layer with value embeddings adds to each value one that the token itself has there, as much as a gate lets in."""

    def __init__(self, valued):
        super().__init__()
        self.heads = WIDTH // HEAD_SIZE
        self.query, self.key, self.value, self.out = (linear(WIDTH, WIDTH) for _ in "qkvo")
        self.gate = linear(GATE, self.heads) if valued else None

    def forward(self, x, token_values, turns):
        rows, length, _ = x.shape
        query, key, value = (layer(x).view(rows, length, self.heads, -1).transpose(1, 2)
                             for layer in (self.query, self.key, self.value))
        if self.gate is not None:
            share = 2 * torch.sigmoid(self.gate(x[..., :GATE])).transpose(1, 2).unsqueeze(-1)  # 1 to begin with
            value = value + share * token_values.view(rows, length, self.heads, -1).transpose(1, 2)
        query, key = norm(rotated(query, turns)), norm(rotated(key, turns))
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)  # knob: off
        return self.out(seen.transpose(1, 2).reshape(rows, length, -1))


class Perceptron(nn.Module):
    """Two matrices with the square of the positive part between them (So et al. 2021)."""

    def __init__(self):
        super().__init__()
        self.wide = linear(WIDTH, WIDER * WIDTH)
        self.out = linear(WIDER * WIDTH, WIDTH)

    def forward(self, x):
        return self.out(F.relu(self.wide(x)).square())


class Block(nn.Module):
    """Attention, then a perceptron; each adds to what goes through."""

    def __init__(self, valued):
        super().__init__()
        self.attention, self.perceptron = Attention(valued), Perceptron()

    def forward(self, x, token_values, turns):
        x = x + self.attention(norm(x), token_values, turns)
        return x + self.perceptron(norm(x))


class Model(nn.Module):
    """Tokens (rows, length) to logits (rows, length, vocabulary)."""

    def __init__(self):
        super().__init__()
        valued = [layer % 2 == (LAYERS - 1) % 2 for layer in range(LAYERS)]  # every other layer, and the last  # knob: off
        self.embed, self.head = nn.Embedding(VOCABULARY, WIDTH), linear(WIDTH, VOCABULARY)
        self.token_values = nn.ModuleDict({str(at): nn.Embedding(VOCABULARY, WIDTH) for at, has in enumerate(valued) if has})
        self.blocks = nn.ModuleList(Block(has) for has in valued)
        self.keep, self.mix = nn.Parameter(torch.ones(LAYERS)), nn.Parameter(torch.full((LAYERS,), X0))
        for name, table in zip(("cos", "sin"), turns_of(LENGTH, HEAD_SIZE), strict=True):
            self.register_buffer(name, table, persistent=False)

    def forward(self, tokens):
        length = tokens.shape[1]
        turns = self.cos[:length], self.sin[:length]
        x = first = norm(self.embed(tokens))
        for layer, block in enumerate(self.blocks):
            values = self.token_values[str(layer)](tokens) if str(layer) in self.token_values else None
            x = block(self.keep[layer] * x + self.mix[layer] * first, values, turns)
        return SOFTCAP * torch.tanh(self.head(norm(x)).float() / SOFTCAP)


@torch.no_grad()
def begin(model, seed):
    """First weights [a]. Each matrix is drawn by its own name, so another shape of one leaves the draws of all others alone."""
    reach = math.sqrt(3 / WIDTH)  # of a uniform draw with a standard deviation of 1 / sqrt(WIDTH)  # knob: off
    for name, weight in model.named_parameters():
        lots = torch.Generator().manual_seed(int(hashlib.sha256(f"{seed} {name}".encode()).hexdigest()[:12], 16))  # knob: off
        if name == "embed.weight":
            weight.normal_(0.0, 1.0, generator=lots)  # knob: off
        elif name == "head.weight":
            weight.normal_(0.0, 0.001, generator=lots)  # knob: off
        elif name.endswith(("out.weight", "gate.weight")):
            weight.zero_()  # a block adds nothing to begin with, and every gate stands at 1
        elif weight.ndim == 2:
            weight.uniform_(-reach, reach, generator=lots)


# ---- The optimisers ----------------------------------------------------------------------------------------------


class AdamW:
    """Adam with its decay apart from the gradient (Loshchilov and Hutter 2019), for embeddings, the head and scalars."""

    def __init__(self, weights, rate, betas, decay):
        self.weights, self.rate, self.betas, self.decay, self.taken = weights, rate, betas, decay, 0
        self.means = [torch.zeros_like(weight) for weight in weights]
        self.squares = [torch.zeros_like(weight) for weight in weights]

    def step(self, factor):
        """One step at a share of the rate."""
        self.taken += 1
        rate, (beta1, beta2) = factor * self.rate, self.betas
        for weight, mean, square in zip(self.weights, self.means, self.squares, strict=True):
            mean.lerp_(weight.grad, 1 - beta1)
            square.lerp_(weight.grad.square(), 1 - beta2)
            size = (square / (1 - beta2**self.taken)).sqrt_().add_(ADAM_EPS)
            weight.mul_(1 - rate * self.decay).addcdiv_(mean, size, value=-rate / (1 - beta1**self.taken))


class Muon:
    """Momentum whose step is made as long in every direction of the matrix (Jordan et al. 2024). Matrices of one shape are
    worked on together; tall ones lie down for it."""

    def __init__(self, weights, rate, momentum, decay):
        self.rate, self.momentum, self.decay = rate, momentum, decay
        shapes = dict.fromkeys(weight.shape for weight in weights)
        self.groups = [[weight for weight in weights if weight.shape == shape] for shape in shapes]
        self.means = [torch.zeros_like(torch.stack(group)) for group in self.groups]

    def step(self, factor):
        """One step at a share of the rate."""
        for group, mean in zip(self.groups, self.means, strict=True):
            slope = torch.stack([weight.grad for weight in group])
            mean.lerp_(slope, 1 - self.momentum)
            high, wide = slope.shape[-2:]
            rate = factor * self.rate * max(1.0, high / wide) ** 0.5  # knob: off
            ahead = slope.lerp_(mean, self.momentum)  # Nesterov's
            for weight, change in zip(group, orthogonal(ahead), strict=True):
                weight.mul_(1 - factor * self.rate * self.decay).sub_(change, alpha=rate)


def orthogonal(matrices):
    """Matrices (number, high, wide) with the same singular vectors and singular values near 1, by iterations of Newton and
    Schulz: x becomes a x + b (x x') x + c (x x')^2 x."""
    high, wide = matrices.shape[-2:]
    x = matrices.mT if high > wide else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)  # no singular value above 1  # knob: off
    x = x.bfloat16() if x.is_cuda else x
    a, b, c = QUINTIC
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if high > wide else x).to(matrices.dtype)


def optimisers(model):
    """Who moves what."""
    wider = math.sqrt(TUNED_WIDTH / WIDTH)
    betas = BETA1, BETA2
    return [Muon(list(model.blocks.parameters()), MATRIX_LR, MOMENTUM, MATRIX_WD),
            AdamW([model.embed.weight], EMBED_LR * wider, betas, 0.0),  # knob: off
            AdamW(list(model.token_values.parameters()), EMBED_LR * wider, betas, VE_WD),
            AdamW([model.head.weight], HEAD_LR * wider, betas, 0.0),  # knob: off
            AdamW([model.keep], SCALAR_LR / 100, betas, 0.0),  # knob: off
            AdamW([model.mix], SCALAR_LR, (0.96, 0.95), 0.0)]  # [a]  # knob: off


# ---- The training ------------------------------------------------------------------------------------------------


def share_of_rate(done):
    """Of the rates, when this share of the steps is done."""
    return FINAL_LR + (1 - FINAL_LR) * min(1.0, (1 - done) / WARMDOWN)


def train(seed, device):
    """A model that has learnt from all its batches."""
    model = Model()
    begin(model, seed)
    model.to(device)
    movers, many = optimisers(model), steps(BATCH)
    for done, batch in enumerate(batches(BATCH, seed)):
        windows = torch.from_numpy(batch).to(device)
        loss = F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for mover in movers:
                mover.step(share_of_rate(done / many))
        if done % max(1, many // LINES) == 0:
            print(f"step {done} of {many}: {loss.item():.4f} nats a token", flush=True)
    return model


# ---- Serving -----------------------------------------------------------------------------------------------------


def serve(model):
    """Answer windows until nobody asks: a line of JSON with their shape and size in bytes, then int32; back go raw float32."""
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        tokens = torch.frombuffer(bytearray(sys.stdin.buffer.read(asked["bytes"])), dtype=torch.int32).view(*asked["shape"])
        with torch.inference_mode():
            sys.stdout.buffer.write(model(tokens.long()).contiguous().numpy().tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:] == ["--serve"]:
        learnt = Model()
        learnt.load_state_dict(torch.load(Path(os.environ["OVERNIGHT_ARTIFACTS"], "weights.pt"), weights_only=True))
        serve(learnt)  # on the CPU, so that the same question has the same answer to the last bit
    else:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        print(f"{TOKENS:,} tokens, width {WIDTH}, layers {LAYERS}, steps {steps(BATCH)}, torch {torch.__version__}, {device}")
        trained = train(int(os.environ.get("OVERNIGHT_SEED", "0")), device).cpu()
        torch.save(trained.state_dict(), Path(os.environ.get("OVERNIGHT_OUT", "."), "weights.pt"))
