"""Language models at the desk: one that proposes, and roles that advise. Only `model.py` knows a provider's library."""
