"""What is known of a track and what to do next: pure, a replay of the journal."""
