"""The number that a run left; where there is an oracle, what it answers when it is asked for that number."""

import json
import os

from overnight.scoring.oracle import Oracle

if "OVERNIGHT_ASK" in os.environ:
    number = Oracle.given().ask("number")
else:
    with open(os.environ["OVERNIGHT_ARTIFACTS"] + "/number") as file:
        number = float(file.read())
print(json.dumps({"number": number}))
