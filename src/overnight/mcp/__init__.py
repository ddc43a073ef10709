"""The verbs for agents over the Model Context Protocol: what they do (`verbs`, `errand`), how they are spoken (`server`)."""
