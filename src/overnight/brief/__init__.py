"""The page that researchers read."""
