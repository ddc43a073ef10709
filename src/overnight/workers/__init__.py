"""Workers: where jobs are carried out. Local slots by default."""
