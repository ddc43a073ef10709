"""Train a small network to tell two spirals apart: python train.py --epochs 60 --lr 0.05"""

import argparse

import numpy as np
from data import spirals
from model import Net
from utils import set_seed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hidden", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.03, help="step size")
    parser.add_argument("--momentum", type=float, default=0.5)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--n-samples", type=int, default=3000)
    parser.add_argument("--log-every", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    set_seed(args.seed)
    x, y = spirals(args.n_samples)
    cut = int(0.6 * len(x))
    x_train, y_train, x_val, y_val = x[:cut], y[:cut], x[cut:], y[cut:]
    net = Net(x.shape[1], args.hidden)

    for epoch in range(1, args.epochs + 1):
        order = np.random.permutation(cut)
        for start in range(0, cut, args.batch_size):
            batch = order[start:start + args.batch_size]
            net.step(x_train[batch], y_train[batch], args.lr, args.momentum, args.weight_decay)
        if epoch % args.log_every == 0:
            print(f"epoch {epoch:3d} | train loss {net.loss(x_train, y_train):.4f} | val loss {net.loss(x_val, y_val):.4f}")

    accuracy = (net.predict(x_val) == y_val).mean()
    print(f"val_acc: {100 * accuracy:.2f}%")


if __name__ == "__main__":
    main()
