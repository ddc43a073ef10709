"""What is put into a run to learn which of its lines run."""
