"""A network with one hidden layer and hand-written gradients."""

import numpy as np


class Net:
    def __init__(self, inputs, hidden):
        self.w1 = np.random.randn(inputs, hidden) / np.sqrt(inputs)
        self.b1 = np.zeros(hidden)
        self.w2 = np.random.randn(hidden, hidden) / np.sqrt(hidden)
        self.b2 = np.zeros(hidden)
        self.w3 = np.random.randn(hidden) / np.sqrt(hidden)
        self.b3 = np.zeros(1)
        self.speed = [np.zeros_like(p) for p in self.params()]

    def params(self):
        return [self.w1, self.b1, self.w2, self.b2, self.w3, self.b3]

    def forward(self, x):
        h1 = np.tanh(x @ self.w1 + self.b1)
        h2 = np.tanh(h1 @ self.w2 + self.b2)
        return h1, h2, 1 / (1 + np.exp(-(h2 @ self.w3 + self.b3)))

    def predict(self, x):
        return (self.forward(x)[2] > 0.5).astype(int)

    def loss(self, x, y):
        p = np.clip(self.forward(x)[2], 1e-7, 1 - 1e-7)
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    def step(self, x, y, lr, momentum, weight_decay):
        h1, h2, p = self.forward(x)
        d3 = (p - y) / len(y)
        d2 = np.outer(d3, self.w3) * (1 - h2 ** 2)
        d1 = d2 @ self.w2.T * (1 - h1 ** 2)
        grads = [x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(keepdims=True)]
        for param, grad, speed in zip(self.params(), grads, self.speed):
            speed *= momentum
            speed -= lr * (grad + weight_decay * param)
            param += speed
