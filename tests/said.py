"""A change as a model would write it."""

from overnight.researchers.llm.edits import Edit, ParsedAnswer, places, render, unix


def said(change, files):
    """The answer that makes this change of these files. A missing line end at the end of a file stays missing."""
    steps = (_edit(path, files.get(path), text) for path, text in change.files.items())
    title, _, why = change.message.partition("\n")
    return render(ParsedAnswer(title, why.strip(), tuple(step for step in steps if step is not None)))


def _edit(path, old, new):
    if new is None:
        return None if old is None else Edit(path, "delete")
    had, want = _lines(old or ""), _lines(new)
    if had == want and old is not None:
        return None
    if not had:
        return Edit(path, "new" if old is None else "edit", (), want)
    first, last = _differing(had, want)
    while first == len(had) - last or len(places(had[first:len(had) - last], had)) > 1:
        first, last = max(0, first - 1), max(0, last - 1)
    return Edit(path, "edit", had[first:len(had) - last], want[first:len(want) - last])


def _lines(text):
    body = unix(text)
    return tuple(body.removesuffix("\n").split("\n")) if body else ()


def _differing(had, want):
    """How many lines at the beginning, and of the rest how many at the end, are the same."""
    least = min(len(had), len(want))
    first = next((n for n in range(least) if had[n] != want[n]), least)
    last = next((n for n in range(least - first) if had[-1 - n] != want[-1 - n]), least - first)
    return first, last
