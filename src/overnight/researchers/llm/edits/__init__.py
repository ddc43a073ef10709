"""A model's answer as a change: read in whichever form it came, applied only where it fits in one way. Pure.

The form that is asked for is a title, why, and search/replace blocks (see `form`); read are also the forms that models fall
into: JSON, unified diffs, whole files in a fence, several drafts of which the last one counts.

Covered: a search text that fits nowhere or twice, a path outside the boundary, code that is left out ("..."), a part of a file
that is given for the whole, Python that does not parse, a change of nothing; for each a reason that a model can act on. Not
covered: whether the change makes sense.
"""

from overnight.researchers.llm.edits.applying import applied, change
from overnight.researchers.llm.edits.form import MOST_ANSWER_CHARACTERS, MOST_BLOCKS, Edit, ParsedAnswer, render, unix
from overnight.researchers.llm.edits.matching import places
from overnight.researchers.llm.edits.reading import parse

__all__ = ["MOST_ANSWER_CHARACTERS", "MOST_BLOCKS", "Edit", "ParsedAnswer", "applied", "change", "parse", "places", "render",
           "unix"]
