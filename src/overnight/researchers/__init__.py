"""Whoever proposes a change: `knobs` needs no key, the others read and write."""
