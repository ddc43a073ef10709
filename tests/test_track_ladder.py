"""[ladder] of track.toml: what it makes of the track, and what is wrong in a sentence."""

import pytest

from conftest import CONTRACT
from overnight.errors import TrackError
from overnight.track.spec import parse

RUNG = '[[ladder.rung]]\nname = "large"\nsize = 4\n'


def test_a_rung_is_the_track_with_its_environment_and_limits():
    track = parse(CONTRACT + '[ladder]\nshare = 0.25\n[[ladder.rung]]\nname = "mid"\nsize = 2\nenvironment = { SIZE = "2" }\n'
                  'timeout = "20min"\nmemory = "1GiB"\nworthwhile = 0.5\n')
    found = track.on("mid")
    assert (found.name, found.run.timeout, found.run.memory, found.run.environment) == ("little@mid", "20min", "1GiB", {"SIZE": "2"})
    assert (found.score.timeout, found.score.memory, found.metric.worthwhile) == ("20min", "1GiB", 0.5)
    assert track.on("") == track and track.run.environment == {} and track.ladder.share == 0.25


def test_the_scorer_keeps_what_it_has_where_that_is_more():
    found = parse(CONTRACT + RUNG + 'timeout = "5s"\nmemory = "1MiB"\n').on("large")
    assert (found.run.timeout, found.score.timeout, found.score.memory) == ("5s", "10s", "256MiB")


def test_a_rung_may_do_without_what_the_track_uses():
    track = parse(CONTRACT.replace('timeout = "10s"', 'timeout = "10s"\ngpus = true\ncpus = 4', 1) + RUNG + "gpus = false\ncpus = 1\n")
    assert (track.run.gpus, track.run.cpus) == (True, 4) and (track.on("large").run.gpus, track.on("large").run.cpus) == (False, 1)


def test_the_rung_below():
    ladder = parse(CONTRACT + '[[ladder.rung]]\nname = "mid"\nsize = 2\n' + RUNG).ladder
    assert (ladder.below("mid"), ladder.below("large")) == ("", "mid")
    with pytest.raises(TrackError, match=r"no rung 'small' in \[ladder\]: .*\(mid, large\)"):
        ladder.at("small")


@pytest.mark.parametrize(("more", "said"), [
    ("[ladder]\nshare = 0.2\n", "no rung: write"), (f"[ladder]\nshare = 1\n{RUNG}", "from 0 to below 1"),
    (f"[ladder]\ngather = 0\n{RUNG}", "at least 1"), ('[[ladder]]\nname = "a"\n', r"one section \[ladder\], with"),
    ('[ladder.rung]\nname = "a"\nsize = 2\n', r"write \[\[ladder.rung\]\] for each"),
    ('[[ladder.rung]]\nname = "a"\n', r"line \d+\): 'size' is missing in \[ladder.rung\]"),
    (f"{RUNG}sizes = 3\n", r"line \d+\): unknown key 'sizes' in \[ladder.rung\]"),
    ('[[ladder.rung]]\nname = "a"\nsize = "x"\n', "must be a number"),
    (RUNG + '[[ladder.rung]]\nname = "larger"\nsize = 4\n', r"above that of the rung below \(4\)"),
    ('[[ladder.rung]]\nname = "a"\nsize = 1\n', r"above that of the rung below \(1\)"),
    (RUNG + RUNG.replace("4", "8"), "two rungs are called 'large'"), (RUNG.replace("large", "a/b"), "cannot be part of a branch name"),
    (RUNG.replace("large", "a..b"), "cannot be part of a branch name"), (f'{RUNG}timeout = "soon"\n', "'soon' is not a duration"),
    (f'{RUNG}environment = {{ OVERNIGHT_SEED = "1" }}\n', "OVERNIGHT_SEED is set by Overnight itself"),
    (f'{RUNG}environment = {{ "A B" = "1" }}\n', "is no variable"), (f"{RUNG}worthwhile = -1\n", "not negative"), (f"{RUNG}cpus = 0\n", "cpus must be at least 1"),
    (f'{RUNG}[[guard]]\nmetric = "cpu_seconds"\nat_most = "40s"\n', 'relative to the baseline, like "1.25x"')])
def test_what_is_wrong_is_one_sentence(more, said):
    with pytest.raises(TrackError, match=said):
        parse(CONTRACT + more)


def test_a_relative_guard_and_one_on_a_number_of_the_scorer_mean_the_same_on_every_rung():
    parse(CONTRACT + RUNG + '[[guard]]\nmetric = "cpu_seconds"\nat_most = "1.25x"\n[[guard]]\nmetric = "accuracy"\nat_least = 0.9\n')
