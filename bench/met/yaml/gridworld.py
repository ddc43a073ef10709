"""A slippery grid: walk from the lower left to the lower right, around the cliff."""


class Grid:
    moves = ((0, 1), (1, 0), (0, -1), (-1, 0))

    def __init__(self, cfg, rng):
        self.w, self.h, self.slip, self.limit, self.rng = cfg.width, cfg.height, cfg.slip, cfg.max_steps, rng

    def reset(self):
        self.at, self.t = (0, 0), 0
        return self.at

    def step(self, action):
        if self.rng.random() < self.slip:
            action = self.rng.randrange(4)
        dx, dy = self.moves[action]
        x = min(max(self.at[0] + dx, 0), self.w - 1)
        y = min(max(self.at[1] + dy, 0), self.h - 1)
        self.at, self.t = (x, y), self.t + 1
        if y == 0 and 0 < x < self.w - 1:
            return self.at, -20.0, True
        if y == 0 and x == self.w - 1:
            return self.at, 10.0, True
        return self.at, -0.3, self.t >= self.limit
