import json, os, random
values = map(float, open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x").read().split())
noise = random.Random(os.environ["OVERNIGHT_SEED"]).gauss(0, 0.05)
print(json.dumps({"loss": sum(min(abs(value - 3), 5) for value in values) + noise}))
