"""Podman, Docker and gVisor: one container a command."""
