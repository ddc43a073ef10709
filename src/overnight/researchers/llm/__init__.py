"""Language models as researchers: one role that proposes, and roles that advise. Only `model.py` knows a provider's library."""
