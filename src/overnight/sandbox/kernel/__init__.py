"""What the Linux kernel itself enforces: system calls, control groups, one bubblewrap process."""
