"""Train an agent and report its mean return."""

import json
import random

import settings
from agent import Agent
from gridworld import Grid


def episode(env, agent, learn):
    state, done, total = env.reset(), False, 0.0
    while not done:
        action = agent.act(state, greedy=not learn)
        after, reward, done = env.step(action)
        if learn:
            agent.learn(state, action, reward, after, done)
        state, total = after, total + reward
    if learn:
        agent.end_episode()
    return total


def main():
    cfg = settings.load()
    rng = random.Random(cfg.seed)
    env, agent = Grid(cfg.env, rng), Agent(cfg.agent, rng)
    for number in range(cfg.train.episodes):
        total = episode(env, agent, learn=True)
        if number % 50 == 0:
            print(f"episode {number}: return {total:.1f}")
    returns = [episode(env, agent, learn=False) for _ in range(cfg.eval.episodes)]
    print(json.dumps({"mean_return": round(sum(returns) / len(returns), 4), "episodes": cfg.train.episodes}))


if __name__ == "__main__":
    main()
