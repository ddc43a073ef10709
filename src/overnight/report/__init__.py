"""What a night looks like: live, as a table, as a chart, as a morning report."""
