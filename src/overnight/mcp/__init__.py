"""The verbs for agents over the Model Context Protocol: what they do (`verbs`, `pending`), and the protocol (`server`)."""
