"""For scorers: ask the candidate, read its artefacts, and print one number that no candidate can influence otherwise.

Runs in the scorer's sandbox with whatever interpreter the track names, so it imports the standard library, itself, and
numpy where there are arrays. docs/scoring.md shows how to write a scorer.
"""

from overnight.scoring.answer import Broken, Foul
from overnight.scoring.artifacts import array, artifact, holdout, numbers, seed, tensors
from overnight.scoring.chance import lots, rng
from overnight.scoring.oracle import Oracle, audited, fresh
from overnight.scoring.result import main

__all__ = ["Broken", "Foul", "Oracle", "array", "artifact", "audited", "fresh", "holdout", "lots", "main", "numbers", "rng",
           "seed", "tensors"]
