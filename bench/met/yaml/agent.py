"""Tabular Q-learning."""


class Agent:
    def __init__(self, cfg, rng):
        self.cfg, self.rng, self.epsilon, self.q = cfg, rng, cfg.epsilon, {}

    def values(self, state):
        return self.q.setdefault(state, [self.cfg.initial_value] * 4)

    def act(self, state, greedy=False):
        if not greedy and self.rng.random() < self.epsilon:
            return self.rng.randrange(4)
        values = self.values(state)
        return max(range(4), key=values.__getitem__)

    def learn(self, state, action, reward, after, done):
        target = reward if done else reward + self.cfg.gamma * max(self.values(after))
        values = self.values(state)
        values[action] += self.cfg.alpha * (target - values[action])

    def end_episode(self):
        self.epsilon *= self.cfg.epsilon_decay
