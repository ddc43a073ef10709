"""Journals: where the record of a track lives. SQLite by default."""
