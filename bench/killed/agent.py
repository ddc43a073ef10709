import pathlib, random, time
time.sleep(random.uniform(0.0, 0.6))
lines = pathlib.Path("settings.py").read_text().splitlines()
lines[random.randrange(8)] += f"  # {random.random()}"
pathlib.Path("settings.py").write_text("\n".join(lines) + "\n")
