"""Prints docs/commands.md from the commands themselves: `python scripts/commands.py > docs/commands.md`."""

import click

from overnight.cli import main

HEAD = "# Commands\n\nMade by `python scripts/commands.py`; a test compares.\n"


def page() -> str:
    """One section for each command, with its own help."""
    parts = [HEAD]
    for name, command in sorted(main.commands.items()):
        context = click.Context(command, info_name=f"overnight {name}", terminal_width=100, max_content_width=100)
        parts.append(f"## overnight {name}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
