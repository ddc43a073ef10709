"""The hostile suite: repositories and work trees that attack whoever opens them, each opened by the commands as a user does."""
