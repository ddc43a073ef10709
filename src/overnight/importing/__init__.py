"""Ideas from elsewhere: papers, the commits of a repository, a list in a file."""
