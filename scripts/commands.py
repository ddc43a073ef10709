"""Prints docs/commands.md from the commands themselves: `python scripts/commands.py > docs/commands.md`."""

from collections.abc import Iterator

import click

from overnight.cli import main

HEAD = "# Commands\n\nMade by `python scripts/commands.py`; a test compares.\n"


def sections(group: click.Group, before: str) -> Iterator[str]:
    """One section for each command, with its own help; those of a group follow it."""
    outer = click.Context(group)
    for name in sorted(group.list_commands(outer)):
        command = group.get_command(outer, name)
        context = click.Context(command, info_name=f"{before} {name}", terminal_width=100, max_content_width=100)
        yield f"## {before} {name}\n\n```\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            yield from sections(command, f"{before} {name}")


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *sections(main, "overnight")])


if __name__ == "__main__":
    print(page(), end="")
