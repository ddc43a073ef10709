"""What a program that is met for the first time prints and reads: its numbers, their direction, what may be edited. Pure."""
