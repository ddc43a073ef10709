"""Researchers, which propose changes: `knobs` needs no key, the others call models, agents or patches."""
