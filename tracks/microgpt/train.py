"""A GPT that learns to spell, in about 200 lines of Python's standard library (blank, comment and docstring lines not counted).

    python train.py            learns from words/train.txt and writes weights.json into $OVERNIGHT_OUT
    python train.py --serve    answers {"token": t} with the probabilities of the next token, a JSON line each

Read it from top to bottom: settings, automatic gradients, the transformer, Adam, the training loop, serving.
"""

import gc
import json
import math
import os
import random
import sys
from operator import mul
from pathlib import Path

from wordlist import END, VOCABULARY, encode, read_words

# --- Settings: the transformer -------------------------------------------------------------------
N_EMBD = 8  # numbers that describe one token on its way through the network
N_HEAD = 2  # attention heads; each looks at N_EMBD / N_HEAD of the numbers
N_LAYER = 1  # blocks of attention and multi-layer perceptron
BLOCK_SIZE = 16  # tokens; longer words have no position
MLP_RATIO = 4  # hidden units of the perceptron for each embedded number
ACTIVATION = "relu"  # of the hidden units  # knob: choice relu relu_squared leaky_relu
NORM_INPUT = True  # normalise what enters the first block
NORM_OUTPUT = False  # normalise what leaves the last block
TIED_HEAD = False  # the output layer is the token embedding itself
LOOK_BACK = False  # embed the previous token next to the present one
BIGRAM_TABLE = False  # a direct path: each token adds its own row of a table to the logits
INIT_STD = 0.08  # standard deviation of the first weights
HEAD_STD = 0.08  # the same for the output layer
LOGIT_SCALE = 1.0  # multiplies the logits

# --- Settings: the training ----------------------------------------------------------------------
TRAIN_WORDS = 480  # words seen in training, set by the contract  # knob: off
WORDS_PER_STEP = 8  # words in one step of the optimiser
LEARNING_RATE = 0.01  # of Adam, at the start
FINAL_RATE = 0.0  # of Adam, at the end, as a fraction of LEARNING_RATE
COSINE_DECAY = False  # from the first to the last rate along a cosine instead of a line
WARMUP_STEPS = 0  # steps in which the rate grows to its start
EMBED_RATE = 1.0  # the embeddings learn this many times faster than the blocks
HEAD_RATE = 1.0  # and the output layer this many times
BETA1 = 0.85  # Adam's memory of the gradient, as the share kept in each step
BETA2 = 0.99  # Adam's memory of the squared gradient
ADAM_EPS = 1e-8  # keeps Adam from dividing by zero
WEIGHT_DECAY = 0.0  # share of each weight lost in a step, times the rate

NORM_EPS = 1e-5  # keeps the norm from dividing by zero
STEPS_PER_LINE = 10  # steps from one line of progress to the next  # knob: off


# --- Automatic gradients -------------------------------------------------------------------------
class Value:
    """A number that remembers its sources, and for each how fast the number changes with it: the slopes."""

    __slots__ = ("data", "grad", "slopes", "sources")
    tape: list["Value"] = []  # every result in the order it was made, so sources always come before results

    def __init__(self, data: float, sources=(), slopes=()) -> None:
        self.data, self.grad, self.sources, self.slopes = data, 0.0, sources, slopes
        if sources:
            Value.tape.append(self)

    def __add__(self, other) -> "Value":
        if isinstance(other, Value):
            return Value(self.data + other.data, (self, other), (1.0, 1.0))
        return Value(self.data + other, (self,), (1.0,))

    def __mul__(self, other) -> "Value":
        if isinstance(other, Value):
            return Value(self.data * other.data, (self, other), (other.data, self.data))
        return Value(self.data * other, (self,), (other,))

    def __pow__(self, exponent: float) -> "Value":
        return Value(self.data**exponent, (self,), (exponent * self.data ** (exponent - 1),))

    def __gt__(self, number: float) -> bool:
        return self.data > number


def backward(losses: list[Value], share: float) -> None:
    """Add to each weight's grad how fast share * sum(losses) changes with it: the chain rule, backwards."""
    for loss in losses:
        loss.grad = share
    while Value.tape:
        result = Value.tape.pop()
        grad = result.grad
        if grad:  # a unit that is switched off teaches nothing
            for source, slope in zip(result.sources, result.slopes, strict=True):
                source.grad += slope * grad


# From here to the loss all functions take Values (to learn) and plain floats (to serve), with the same maths.
Vector = list  # of Value or float
Matrix = list  # of rows: one Vector for each output
Weights = dict  # of matrices by name


def dot(xs: Vector, ys: Vector):
    """The sum of products as one node: most of the time goes here, and a node per product would take more."""
    if isinstance(xs[0], float):
        return sum(map(mul, xs, ys))
    x_data, y_data = [x.data for x in xs], [y.data for y in ys]
    return Value(sum(map(mul, x_data, y_data)), xs + ys, y_data + x_data)


def softmax(xs: Vector) -> Vector:
    """Scores to probabilities. Raising x_j moves p_i by p_i * ((1 if i is j else 0) - p_j)."""
    numbers = [x.data if isinstance(x, Value) else x for x in xs]
    highest = max(numbers)  # taken away first, so that exp cannot overflow
    powers = [math.exp(number - highest) for number in numbers]
    total = sum(powers)
    ps = [power / total for power in powers]
    if isinstance(xs[0], float):
        return ps
    return [Value(p, xs, [p * ((i == j) - q) for j, q in enumerate(ps)]) for i, p in enumerate(ps)]


def surprise(logits: Vector, token: int) -> Value:
    """The loss: -log of the probability given to the token. Its slopes: what was said minus what was true."""
    slopes = softmax([logit.data for logit in logits])
    loss = -math.log(slopes[token])
    slopes[token] -= 1.0
    return Value(loss, logits, slopes)


# --- The transformer -----------------------------------------------------------------------------
ACTIVATIONS = {
    "relu": lambda x: x if x > 0 else x * 0.0,
    "relu_squared": lambda x: x * x if x > 0 else x * 0.0,
    "leaky_relu": lambda x: x if x > 0 else x * 0.1,
}


def first_weights(seed: int) -> Weights:
    """Every weight of the model as a plain number, by the name of its matrix."""
    shapes = {"token": (VOCABULARY, N_EMBD, INIT_STD), "position": (BLOCK_SIZE, N_EMBD, INIT_STD)}
    for layer in range(N_LAYER):
        for name in ("query", "key", "value", "mix"):
            shapes[f"{name}{layer}"] = (N_EMBD, N_EMBD, INIT_STD)
        shapes[f"up{layer}"] = (MLP_RATIO * N_EMBD, N_EMBD, INIT_STD)
        shapes[f"down{layer}"] = (N_EMBD, MLP_RATIO * N_EMBD, INIT_STD)
    if not TIED_HEAD:
        shapes["head"] = (VOCABULARY, N_EMBD, HEAD_STD)
    if LOOK_BACK:
        shapes["previous"] = (VOCABULARY, N_EMBD, INIT_STD)
    if BIGRAM_TABLE:
        shapes["bigram"] = (VOCABULARY, VOCABULARY, 0.0)
    weights = {}
    for name, (rows, columns, std) in shapes.items():
        rng = random.Random(f"{seed} {name}")  # its own, so that a new matrix leaves the others as they were
        weights[name] = [[rng.gauss(0.0, std) for _ in range(columns)] for _ in range(rows)]
    return weights


def linear(xs: Vector, matrix: Matrix) -> Vector:
    return [dot(xs, row) for row in matrix]


def add(xs: Vector, ys: Vector) -> Vector:
    return [x + y for x, y in zip(xs, ys, strict=True)]


def norm(xs: Vector) -> Vector:
    """Scale to a root mean square of one, so that no layer has to guess how large its input is."""
    scale = (dot(xs, xs) * (1 / len(xs)) + NORM_EPS) ** -0.5
    return [x * scale for x in xs]


def attend(query: Vector, keys: list[Vector], values: list[Vector]) -> Vector:
    """Each head compares the query with the key of every token so far, and blends their values by the fit."""
    size, blend = N_EMBD // N_HEAD, []
    for start in range(0, N_EMBD, size):
        head = slice(start, start + size)
        fit = softmax([dot(query[head], key[head]) * size**-0.5 for key in keys])
        columns = zip(*(value[head] for value in values), strict=True)
        blend += [dot(fit, list(column)) for column in columns]
    return blend


def next_logits(weights: Weights, context: list[int], cache: dict[int, tuple]) -> Vector:
    """Unnormalised logarithms of how likely each token is to come next; `cache` keeps the word's keys and values so far."""
    xs = add(weights["token"][context[-1]], weights["position"][len(context) - 1])
    if LOOK_BACK:
        xs = add(xs, weights["previous"][context[-2] if len(context) > 1 else END])
    if NORM_INPUT:
        xs = norm(xs)
    for layer in range(N_LAYER):
        hs = norm(xs)
        keys, values = cache.setdefault(layer, ([], []))
        keys.append(linear(hs, weights[f"key{layer}"]))
        values.append(linear(hs, weights[f"value{layer}"]))
        blend = attend(linear(hs, weights[f"query{layer}"]), keys, values)
        xs = add(xs, linear(blend, weights[f"mix{layer}"]))
        hidden = [ACTIVATIONS[ACTIVATION](h) for h in linear(norm(xs), weights[f"up{layer}"])]
        xs = add(xs, linear(hidden, weights[f"down{layer}"]))
    if NORM_OUTPUT:
        xs = norm(xs)
    logits = linear([x * LOGIT_SCALE for x in xs], weights["token" if TIED_HEAD else "head"])
    return add(logits, weights["bigram"][context[-1]]) if BIGRAM_TABLE else logits


def word_losses(weights: Weights, word: str) -> list[Value]:
    """The surprise at each letter of a word and at its end."""
    context, cache, losses = [END], {}, []
    for token in encode(word):
        losses.append(surprise(next_logits(weights, context, cache), token))
        context.append(token)
    return losses


# --- Adam and the training loop ------------------------------------------------------------------
class Adam:
    """Steps along the average gradient divided by its usual size: all weights move at about one pace."""

    def __init__(self, weights: Weights) -> None:
        pace = dict.fromkeys(("token", "position", "previous"), EMBED_RATE) | dict.fromkeys(("head", "bigram"), HEAD_RATE)
        named = [(name, weight) for name, matrix in weights.items() for row in matrix for weight in row]
        self.weights = [weight for _, weight in named]
        self.paces = [pace.get(name, 1.0) for name, _ in named]
        self.means, self.squares = [0.0] * len(named), [0.0] * len(named)

    def step(self, rate: float, number: int) -> None:
        """Move every weight; `number` counts the steps from 1, to correct for averages that began at zero."""
        mean_correction, square_correction = 1 / (1 - BETA1**number), 1 / (1 - BETA2**number)
        means, squares = self.means, self.squares
        for i, weight in enumerate(self.weights):
            grad, weight.grad = weight.grad, 0.0
            means[i] = mean = BETA1 * means[i] + (1 - BETA1) * grad
            squares[i] = square = BETA2 * squares[i] + (1 - BETA2) * grad * grad
            move = mean * mean_correction / (math.sqrt(square * square_correction) + ADAM_EPS)
            weight.data -= rate * self.paces[i] * (move + WEIGHT_DECAY * weight.data)


def learning_rate(step: int, steps: int) -> float:
    """The rate of one step, counted from 0."""
    left = 1 - step / steps
    if COSINE_DECAY:
        left = (1 - math.cos(math.pi * left)) / 2
    warm = min(1.0, (step + 1) / (WARMUP_STEPS + 1))
    return LEARNING_RATE * warm * (FINAL_RATE + (1 - FINAL_RATE) * left)


def train(seed: int) -> Weights:
    """Learn from TRAIN_WORDS words, drawn by the seed; give the weights as plain numbers."""
    words = random.Random(seed).sample(read_words("train"), TRAIN_WORDS)
    plain = first_weights(seed)
    weights = {name: [[Value(x) for x in row] for row in matrix] for name, matrix in plain.items()}
    adam, steps = Adam(weights), math.ceil(TRAIN_WORDS / WORDS_PER_STEP)
    for step in range(steps):
        batch = words[step * WORDS_PER_STEP : (step + 1) * WORDS_PER_STEP]
        characters, nats = sum(len(word) + 1 for word in batch), 0.0
        for word in batch:  # gradients add up over the words
            losses = word_losses(weights, word)
            nats += sum(loss.data for loss in losses)
            backward(losses, 1 / characters)
        adam.step(learning_rate(step, steps), step + 1)
        if step % STEPS_PER_LINE == 0:
            print(f"step {step:3} of {steps}: {nats / characters / math.log(2):.3f} bits/char", flush=True)
    return {name: [[weight.data for weight in row] for row in matrix] for name, matrix in weights.items()}


# --- Serving -------------------------------------------------------------------------------------
def serve(weights: Weights) -> None:
    """Answer each {"token": t}, where null starts a new word, with the probabilities of the next token."""
    context, cache = [END], {}
    for line in sys.stdin:
        token = json.loads(line)["token"]
        if token is None:
            context, cache = [END], {}
        else:
            context.append(token)
        print(json.dumps(softmax(next_logits(weights, context, cache))), flush=True)


if __name__ == "__main__":
    gc.disable()  # nothing here refers back to itself, so counting references frees all memory
    if "--serve" in sys.argv:
        serve(json.loads(Path(os.environ["OVERNIGHT_ARTIFACTS"], "weights.json").read_text()))
    else:
        trained = train(int(os.environ.get("OVERNIGHT_SEED", "0")))
        Path(os.environ.get("OVERNIGHT_OUT", "."), "weights.json").write_text(json.dumps(trained))
