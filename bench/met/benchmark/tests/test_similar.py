from textlib import nearest
from textlib.similar import distance


def test_distance():
    assert distance("kitten", "sitting") == 3


def test_nearest():
    assert nearest(["house", "mouse", "elephant"], ["hose", "elefant", "xyz"]) == ["house", "elephant", None]
