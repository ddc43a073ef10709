"""How long a change goes on that nothing else waits for. Pure."""

from __future__ import annotations

from overnight.referee import findings, inference
from overnight.referee.decision import Evidence, Policy

AT_ONCE = 4  # pairs that are under way at once


def ends(evidence: Evidence, policy: Policy, most: int) -> tuple[str, bool] | None:
    """Why it ends now, after `most` pairs at the latest, and whether more might still prove it; None while it goes on. No look
    costs anything: an e-value allows as many as one likes."""
    seen = (*evidence.race, *evidence.fresh)
    if evidence.late:
        return "not proven in the time that it was given", True
    found = findings.find(inference.winsorized(seen, evidence.variance, policy.reach), evidence.variance, evidence.worthwhile,
                          evidence.alpha, policy.quick)
    if found.chance < policy.unlikely:
        return f"hardly worth having, as {len(seen)} pairs show", False
    return (f"not proven within {len(seen)} pairs", False) if len(seen) >= most else None
