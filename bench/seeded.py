"""Scripts that fix their own seed, each as a repository has it: path -> text.

They were written for this bench, after the shapes of real ones: a classifier in a dozen lines, a network by hand, a language
model whose configuration is executed over its constants, a seed in YAML, an option with a default.
"""

CLASSIFIER = {"main.py": """\
from model import Perceptron, cloud, split

points = cloud(240, random_state=7)
train, test = split(points, share=0.3, random_state=42)
model = Perceptron(rate=0.02, rounds=3, random_state=0)
model.fit(train)
print(f"accuracy: {model.score(test):.4f}")
""", "model.py": """\
import random


def cloud(count, random_state=None):
    lots = random.Random(random_state)
    made = []
    for _ in range(count):
        x, y = lots.gauss(0, 1), lots.gauss(0, 1)
        made.append((x, y, int(x - 0.6 * y + lots.gauss(0, 0.8) > 0.2)))
    return made


def split(points, share, random_state=None):
    shuffled = list(points)
    random.Random(random_state).shuffle(shuffled)
    cut = int(len(shuffled) * share)
    return shuffled[cut:], shuffled[:cut]


class Perceptron:
    def __init__(self, rate, rounds, random_state=None):
        self.rate, self.rounds, self.lots = rate, rounds, random.Random(random_state)

    def fit(self, points):
        self.a, self.b, self.c = (self.lots.gauss(0, 2) for _ in range(3))
        for _ in range(self.rounds):
            self.lots.shuffle(points)
            for x, y, label in points:
                miss = label - self.guess(x, y)
                self.a, self.b, self.c = self.a + self.rate * miss * x, self.b + self.rate * miss * y, self.c + self.rate * miss

    def guess(self, x, y):
        return int(self.a * x + self.b * y + self.c > 0)

    def score(self, points):
        return sum(self.guess(x, y) == label for x, y, label in points) / len(points)
"""}

LANGUAGE = {"train.py": """\
import math
import random

batch = 12
steps = 20
rate = 0.5
seed_offset = 0
exec(open("configurator.py").read())

random.seed(1337 + seed_offset)
text = "".join(random.choice(["the cat sat ", "the dog ran ", "a cat ran "]) for _ in range(80))
letters = sorted(set(text))
place = {letter: n for n, letter in enumerate(letters)}
weights = [[random.gauss(0, 1) for _ in letters] for _ in letters]


def chances(before):
    powers = [math.exp(w) for w in weights[place[before]]]
    return [p / sum(powers) for p in powers]


for _ in range(steps):
    for _ in range(batch):
        at = random.randrange(len(text) - 1)
        found = chances(text[at])
        for n in range(len(letters)):
            weights[place[text[at]]][n] += rate * ((n == place[text[at + 1]]) - found[n])
loss = -sum(math.log(chances(a)[place[b]]) for a, b in zip(text, text[1:])) / len(text)
print(f"val_loss: {loss:.6f}")
""", "configurator.py": """\
import sys

for word in sys.argv[1:]:
    name, _, value = word.partition("=")
    globals()[name] = type(globals()[name])(value)
"""}

CONFIGURED = {"train.py": """\
import random

with open("config.yaml") as file:
    config = dict(line.split(": ") for line in file.read().splitlines())
lots = random.Random(int(config["seed"]))
width = 0.7
found = sum((lots.gauss(0, 1) - width) ** 2 for _ in range(200)) / 200
print(f"loss: {found:.5f}")
""", "config.yaml": "seed: 42\nname: first\n"}

OPTION = {"train.py": """\
import argparse
import random

options = argparse.ArgumentParser()
options.add_argument("--seed", type=int, default=0)
given = options.parse_args()
random.seed(given.seed)
rate = 0.9
place = random.gauss(0, 1)
for _ in range(50):
    place -= rate * (place - random.gauss(0, 1))
print(f"loss: {place * place:.5f}")
"""}

NETWORK = {"mlp.py": """\
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(300, 2))
y = (x[:, 0] * x[:, 1] > 0).astype(float)
train, test = slice(0, 200), slice(200, None)
hidden = 8
rate = 0.3
w1, w2 = rng.normal(size=(2, hidden)), rng.normal(size=hidden)
for _ in range(120):
    inner = np.tanh(x[train] @ w1)
    out = 1 / (1 + np.exp(-inner @ w2))
    miss = out - y[train]
    w1 -= rate * x[train].T @ (miss[:, None] * w2 * (1 - inner**2)) / 200
    w2 -= rate * inner.T @ miss / 200
right = ((1 / (1 + np.exp(-np.tanh(x[test] @ w1) @ w2)) > 0.5) == y[test]).mean()
print(f"accuracy: {right:.4f}")
"""}

FOREST = {"main.py": """\
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

features, labels = make_classification(n_samples=400, n_features=12, flip_y=0.1, random_state=3)
fit_x, test_x, fit_y, test_y = train_test_split(features, labels, test_size=0.3, random_state=42)
forest = RandomForestClassifier(n_estimators=20, max_depth=4, random_state=0)
forest.fit(fit_x, fit_y)
print(f"accuracy: {forest.score(test_x, test_y):.4f}")
"""}

# name -> its files, and what must be installed
SCRIPTS = {"a classifier": (CLASSIFIER, ""), "a language model": (LANGUAGE, ""), "a seed in YAML": (CONFIGURED, ""),
           "an option with a default": (OPTION, ""), "numpy": (NETWORK, "numpy"), "scikit-learn": (FOREST, "sklearn")}
