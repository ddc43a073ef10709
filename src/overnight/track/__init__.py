"""What is improved and how: the contract (track.toml), the program (program.md) and its roles."""
