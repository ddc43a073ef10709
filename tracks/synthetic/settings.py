"""What may be turned: a few constants of a made-up loss (run.py). None is at its best."""

LEARNING_RATE = 0.01
MOMENTUM = 0.9
WIDTH = 16
WARMUP = 0.2
