"""Whole nights on ready tracks with planted changes: of no-ops, cheats and one improvement the improvement alone is kept."""

import difflib
import json

import pytest

from conftest import ROOT, commit, overnight

NEEDS = "night"
TEAM = "---\nroles:\n  again: {kind: replay, folder: patches}\n---\n"
PLANTED = {
    "prompt": ("prompt.py", {
        "comment": ('"""The conversation up to the ticket."""', '"""The conversation up to where the ticket stands."""'),
        "spelling": ("return pool[:EXAMPLES]", "return pool[0:EXAMPLES]"),
        "improvement": ('ANSWER = "free"', 'ANSWER = "word"'),
        "looks for the wordings": (
            '    text = "\\n".join(filter(None, rules))\n',
            '    text = "\\n".join(filter(None, rules))\n    if os.path.exists("wordings.json"):\n'
            '        text += open("wordings.json").read()\n'),
        "claims its number": ("json.dump(messages(", 'json.dump({"error_rate": 0.0, "messages": 1} or messages('),
        "says all labels": ("return [*before,", 'return [{"role": "system", "content": "{ticket} " * 9}, *before,'),
    }),
    "specialist": ("adapt.py", {
        "comment": ('"""The weights of both layers."""', '"""The weights of both layers, adapted."""'),
        "spelling": ("weights, before = first_weights(), first_weights()", "before, weights = first_weights(), first_weights()"),
        "improvement": ("\nRATE = 0.01 ", "\nRATE = 0.02 "),
        "forgets print": ("lots.choices(prints, k=round(REPLAY * len(displays)))", "lots.choices(displays * 2, k=120)",
                          "digit, rate)\n    return weights", "digit, 5 * rate)\n    return weights"),
        "looks at its company": ("for row in rows for s in forward(weights, row)[2]]",
                                 "for row in rows for s in forward(weights, [p - pixels[9] / 9 for p in row])[2]]"),
        "draws more": ("import json\n", "import json\nimport draw\n"),
    }),
}


def patch(name, text, edit):
    """A patch of a file that puts every second of these texts in the place of the one before."""
    after = text
    for old, new in zip(edit[::2], edit[1::2], strict=True):
        assert text.count(old) == 1, old
        after = after.replace(old, new)
    return "".join(difflib.unified_diff(text.splitlines(True), after.splitlines(True), f"a/{name}", f"b/{name}"))


@pytest.mark.parametrize("name", PLANTED)
def test_of_planted_changes_the_improvement_alone_is_kept(tmp_path, name):
    assert overnight("init", "--from", name, cwd=tmp_path).returncode == 0
    folder, (editable, edits) = tmp_path / name, PLANTED[name]
    text = (ROOT / "tracks" / name / editable).read_text()
    for number, (title, edit) in enumerate(edits.items()):
        write = folder / "patches" / f"{number}.patch"
        write.parent.mkdir(exist_ok=True)
        write.write_text(f"{title}\n\n{patch(editable, text, edit)}")
    commit(folder, {"program.md": TEAM})
    done = overnight("run", "--experiments", len(edits), "--for", "6min", cwd=folder, timeout=500)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in overnight("log", "--json", cwd=folder).stdout.splitlines()]
    verdicts = {each["message"].split("\n")[0]: each["verdict"]["verdict"] for each in found}
    assert set(verdicts) == set(edits), done.stdout
    assert [title for title, verdict in verdicts.items() if verdict == "keep"] == ["improvement"], verdicts
