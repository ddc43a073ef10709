"""A small GPT that learns bytes for so many seconds, and answers what it expects: `python train.py`, `python train.py --serve`.

Besides its weights it leaves when it began, had its imports and had learnt, by the clock that is the same inside and outside.
"""

import time

FIRST = time.monotonic()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

READY = time.monotonic()

VOCABULARY, WIDTH, LAYERS, HEADS, LENGTH, BATCH = 256, 64, 2, 4, 64, 16
RATE, DECAY, BETAS = 3e-3, 0.1, (0.8, 0.95)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attend, self.leave = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        rows, length, _ = x.shape
        parts = self.attend(F.rms_norm(x, (WIDTH,))).view(rows, length, 3, HEADS, -1).transpose(1, 3).unbind(2)
        seen = F.scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2)
        x = x + self.leave(seen.reshape(rows, length, WIDTH))
        return x + self.narrow(F.relu(self.widen(F.rms_norm(x, (WIDTH,)))).square())


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens):
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))
        return self.head(F.rms_norm(self.blocks(x), (WIDTH,)))


def train(model, seconds):
    """Learn until so many seconds after the imports."""
    torch.manual_seed(int(os.environ["OVERNIGHT_SEED"]))
    text = torch.tensor(list(Path("text.txt").read_bytes()))
    optimizer = torch.optim.AdamW(model.parameters(), RATE, BETAS, weight_decay=DECAY)
    while time.monotonic() < READY + seconds:
        starts = torch.randint(len(text) - LENGTH - 1, (BATCH, 1))
        windows = text[starts + torch.arange(LENGTH + 1)]
        loss = F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def serve(model):
    """Answer windows of tokens with the logits of what comes behind each."""
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        tokens = torch.frombuffer(bytearray(sys.stdin.buffer.read(asked["bytes"])), dtype=torch.int32)
        with torch.no_grad():
            logits = model(tokens.view(*asked["shape"]).long())
        sys.stdout.buffer.write(logits.numpy().tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = Model()
    if "--serve" in sys.argv:
        made.load_state_dict(torch.load(os.environ["OVERNIGHT_ARTIFACTS"] + "/weights.pt", weights_only=True))
        serve(made)
    else:
        train(made, float(Path("seconds.txt").read_text()))
        torch.save(made.state_dict(), os.environ["OVERNIGHT_OUT"] + "/weights.pt")
        times = {"first": FIRST, "ready": READY, "learnt": time.monotonic()}
        Path(os.environ["OVERNIGHT_OUT"], "times.json").write_text(json.dumps(times))
