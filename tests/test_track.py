"""The contract: what it says, and the one sentence for each thing that can be wrong with it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.errors import TrackError
from overnight.track.load import check_files, load
from overnight.track.spec import HARNESS_METRICS, Progress, covers, parse
from overnight.track.units import bound, seconds, size

GOOD = """\
[track]
name = "little"
goal = "less"
editable = ["settings.py", "src/**/*.py"]

[metric]
name = "loss"
direction = "minimize"
worthwhile = 0.01

[run]
command = ["python", "run.py"]
timeout = "30s"

[score]
command = ["python", "score.py"]
private = ["labels.txt"]
holdout = "unseen.txt"

[[guard]]
metric = "cpu_seconds"
at_most = "1.25x"

[[guard]]
metric = "peak_memory"
at_most = "1GiB"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "track.toml").write_text(GOOD)
    for name in ("settings.py", "run.py", "score.py", "labels.txt", "unseen.txt", "src/deep/code.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def wrong(change, to, text=GOOD):
    """The sentence about a contract in which one thing was changed."""
    assert change in text
    with pytest.raises(TrackError) as caught:
        parse(text.replace(change, to, 1))
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def wrong_files(folder, change="", to=""):
    (folder / "track.toml").write_text(GOOD.replace(change, to, 1))
    with pytest.raises(TrackError) as caught:
        load(folder)
    return str(caught.value)


# ---- what is right ---------------------------------------------------------------------------------------------


def test_a_good_contract_is_read(folder):
    track = load(folder)
    assert (track.name, track.metric.direction, track.guard[1].at_most) == ("little", "minimize", "1GiB")


def test_what_is_left_out_has_its_default():
    track = parse('[track]\nname="a"\neditable=["x"]\n[metric]\nname="cpu_seconds"\ndirection="minimize"\n'
                  '[run]\ncommand=["x"]\n')
    assert (track.metric.worthwhile, track.run.cpus, track.score, track.guard) == (0.0, 1, None, ())


def test_smaller_is_better_where_it_is_minimized():
    assert parse(GOOD).oriented(-2.0) == 2.0
    assert parse(GOOD.replace("minimize", "maximize")).oriented(-2.0) == -2.0


@pytest.mark.parametrize("metric", sorted(HARNESS_METRICS))
def test_what_the_harness_measures_needs_no_scorer(metric):
    assert parse(GOOD.replace("loss", metric).partition("[score]")[0]).score is None


def test_a_metric_from_the_output_is_self_reported():
    text = GOOD.replace("worthwhile = 0.01", "from = \"output\"\npattern = '^loss: (\\S+)'").partition("[score]")[0]
    assert parse(text).self_reported
    assert not parse(GOOD).self_reported


# ---- what is wrong with the text -------------------------------------------------------------------------------


def test_no_toml():
    assert wrong('"little"', '"little').startswith("track.toml is not TOML: ")


def test_a_misspelt_key_is_named_with_its_line_and_the_one_that_is_meant():
    sentence = wrong("timeout", "timeot")
    assert sentence == "track.toml (line 13): unknown key 'timeot' in [run] (did you mean 'timeout'?)."


def test_a_misspelt_key_of_a_list_of_sections():
    sentence = wrong('"peak_memory"\nat_most', '"peak_memory"\nat_mst')
    assert sentence == "track.toml (line 26): unknown key 'at_mst' in [guard] (did you mean 'at_most'?)."


def test_a_key_like_no_other_is_answered_with_the_known_ones():
    sentence = wrong("timeout", "zzz")
    assert sentence.startswith("track.toml (line 13): unknown key 'zzz' in [run]; known are command, timeout, memory,")


def test_the_key_from_is_known_by_that_name():
    assert "from" in wrong("worthwhile", "zzz")
    assert wrong("worthwhile = 0.01", 'source = "score"').startswith("track.toml (line 9): unknown key 'source'")


def test_an_unknown_section():
    assert wrong("[metric]", "[metrics]") == "track.toml (line 6): unknown section [metrics] (did you mean 'metric'?)."


def test_a_key_outside_of_any_section():
    sentence = wrong("[track]", 'name = "x"\n[track]')
    assert sentence.startswith("track.toml (line 1): unknown section [name]")


def test_a_missing_section():
    run = '[run]\ncommand = ["python", "run.py"]\ntimeout = "30s"\n'
    assert wrong(run, "") == "track.toml: the section [run] is missing."


@pytest.mark.parametrize(("line", "sentence"), [
    ('name = "little"\n', "track.toml (line 1): 'name' is missing in [track]."),
    ('editable = ["settings.py", "src/**/*.py"]\n', "track.toml (line 1): 'editable' is missing in [track]."),
    ('direction = "minimize"\n', "track.toml (line 6): 'direction' is missing in [metric]."),
    ('metric = "cpu_seconds"\n', "track.toml (line 20): 'metric' is missing in [guard]."),
])
def test_a_missing_key(line, sentence):
    assert wrong(line, "") == sentence


def test_a_missing_key_of_the_second_of_several_sections():
    assert wrong('metric = "peak_memory"\n', "") == "track.toml (line 24): 'metric' is missing in [guard]."


@pytest.mark.parametrize(("change", "to", "start"), [
    ('"30s"', "30", "track.toml (line 13): run.timeout must be text in quotes, not a whole number."),
    ("0.01", '"small"', "track.toml (line 9): metric.worthwhile must be a number, not text in quotes."),
    ('["python", "run.py"]', '"python run.py"',
     "track.toml (line 12): run.command must be a list in brackets, not text in quotes."),
    ('"minimize"', '"smaller"', "track.toml (line 8): metric.direction must be \"minimize\" or \"maximize\"."),
    ('"1GiB"', "true",
     "track.toml (line 26): guard.at_most must be a number or text in quotes, not true or false."),
])
def test_a_value_of_the_wrong_type(change, to, start):
    assert wrong(change, to) == start


def test_a_section_that_is_no_section():
    sentence = wrong("[track]", "run = 3\n[track]", GOOD.replace("[run]", "[oracle]"))
    assert sentence == "track.toml (line 1): run must be a section, not a whole number."


def test_a_guard_in_single_brackets():
    text = GOOD[:GOOD.index("[[guard]]")]
    sentence = wrong("[score]", '[guard]\nmetric = "x"\n[score]', text)
    assert sentence == "track.toml (line 15): there may be several guards: write [[guard]] for each."


@pytest.mark.parametrize("name", ["a b", "-x", "", "a..b", "x.lock", "x.", "a/b", ".x", "a~1", "a\\\\b"])
def test_a_name_unfit_for_a_branch(name):
    sentence = wrong('"little"', f'"{name}"')
    assert sentence.startswith("track.toml (line 2): ")
    assert sentence.endswith("cannot be part of a branch name: use letters, digits, - and _.")


def test_nothing_to_edit():
    assert wrong('["settings.py", "src/**/*.py"]', "[]") == \
        "track.toml (line 4): nothing may be edited: name at least one file."


@pytest.mark.parametrize("number", ["-0.1", "nan", "inf"])
def test_a_worthwhile_that_is_no_size(number):
    assert wrong("0.01", number) == "track.toml (line 9): worthwhile is a size: write a number that is not negative."


@pytest.mark.parametrize("key", ["cpus", "processes"])
def test_a_count_below_one(key):
    assert wrong('timeout = "30s"', f"{key} = 0") == f"track.toml (line 13): {key} must be at least 1."


def test_an_empty_command():
    assert wrong('["python", "score.py"]', "[]") == "track.toml (line 16): [score] has an empty command."


@pytest.mark.parametrize("text", ["30", "soon", "5 parsecs", "1.2.3s", ".s", "-3s", "0s", "", "1h and more"])
def test_a_bad_duration(text):
    assert wrong('"30s"', f'"{text}"').startswith(f"track.toml (line 13): '{text}' is not a duration: ")


@pytest.mark.parametrize("text", ["2", "big", "1.2.3GiB", ".GiB", "0B", "2 TB!"])
def test_a_bad_size(text):
    assert wrong('timeout = "30s"', f'memory = "{text}"').startswith(f"track.toml (line 13): '{text}' is not a size: ")


@pytest.mark.parametrize("text", ["x", "1.2.3x", "much", "..x"])
def test_a_bad_bound(text):
    assert wrong('"1GiB"', f'"{text}"').startswith(f"track.toml (line 26): '{text}' is not a bound: ")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_bound_that_bounds_nothing(number):
    assert wrong('"1GiB"', number).startswith(f"track.toml (line 26): '{number}' is not a bound: ")


@pytest.mark.parametrize("bounds", ["", 'at_most = "1x"\nat_least = 1'])
def test_a_guard_needs_one_bound(bounds):
    assert wrong('at_most = "1.25x"', bounds) == \
        "track.toml (line 21): the guard on cpu_seconds needs either at_most or at_least."


def test_a_metric_that_nobody_measures():
    sentence = wrong(GOOD[GOOD.index("[score]"):GOOD.index("[[guard]]")], "")
    assert sentence.startswith("track.toml (line 7): no command measures 'loss': add a [score] command, or read it from")


@pytest.mark.parametrize(("lines", "sentence"), [
    ('from = "output"', "from = \"output\" needs a pattern with exactly one group"),
    ('from = "output"\npattern = "loss"', "from = \"output\" needs a pattern with exactly one group"),
    ('from = "output"\npattern = "(a)(b)"', "from = \"output\" needs a pattern with exactly one group"),
    ('from = "output"\npattern = "("', "the pattern is no regular expression: "),
    ('pattern = "(.*)"', "a pattern is only read with from = \"output\"."),
])
def test_a_bad_pattern(lines, sentence):
    assert sentence in wrong("worthwhile = 0.01", lines)


PROGRESS = "[progress]\npattern = '^step (\\d+) loss (\\S+)'\n\n[[guard]]"


def test_progress_is_read_and_has_defaults():
    progress = parse(GOOD.replace("[[guard]]", PROGRESS, 1)).progress
    assert progress == Progress(r"^step (\d+) loss (\S+)", None, 0.3, 2.5)
    assert parse(GOOD).progress is None


@pytest.mark.parametrize(("line", "sentence"), [
    ("", "track.toml (line 20): 'pattern' is missing in [progress]."),
    ("pattern = '('", "track.toml (line 21): the pattern is no regular expression: missing ): (."),
    ("pattern = '^step (.*)'", "track.toml (line 21): [progress] needs a pattern with exactly two groups, step and value, "
                               "like '^step (\\d+) loss (\\S+)'."),
    ("patern = ''", "track.toml (line 21): unknown key 'patern' in [progress] (did you mean 'pattern'?)."),
    ("pattern = '(.)(.)'\ndirection = 'down'", 'track.toml (line 22): progress.direction must be "minimize" or "maximize".'),
    ("pattern = '(.)(.)'\npatience = 0.9", "track.toml (line 22): patience is a share of the run: write a number from 0 to below 0.9."),
    ("pattern = '(.)(.)'\npatience = nan", "track.toml (line 22): patience is a share of the run: write a number from 0 to below 0.9."),
    ("pattern = '(.)(.)'\nmargin = 0.5", "track.toml (line 22): margin says how many times faster a run may still learn: write 1 or more."),
    ("pattern = '(.)(.)'\nmargin = inf", "track.toml (line 22): margin says how many times faster a run may still learn: write 1 or more."),
])
def test_a_bad_progress(line, sentence):
    assert wrong("[[guard]]", f"[progress]\n{line}\n\n[[guard]]") == sentence


# ---- what is wrong with the files ------------------------------------------------------------------------------


def test_no_contract(tmp_path):
    with pytest.raises(TrackError, match=r"there is no track.toml in .*: run `overnight init .*` first."):
        load(tmp_path)


def test_a_contract_that_is_no_text(tmp_path):
    (tmp_path / "track.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TrackError, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("pattern", ["../other.py", "/etc/passwd", "src/../../x"])
def test_a_glob_that_leaves_the_folder(folder, pattern):
    assert wrong_files(folder, '"settings.py"', f'"{pattern}"') == \
        f"track.toml (line 4): editable '{pattern}' leaves the folder."


def test_a_glob_that_matches_nothing(folder):
    assert wrong_files(folder, '"settings.py"', '"setings.py"') == \
        "track.toml (line 4): editable 'setings.py' matches no file."


@pytest.mark.parametrize(("pattern", "path"), [("*.py", "score.py"), ("**", "track.toml"), ("*.txt", "labels.txt"),
                                               ("un*", "unseen.txt"), ("program.*", "program.md")])
def test_what_judges_or_instructs_may_not_be_editable(folder, pattern, path):
    (folder / "program.md").write_text("")
    assert wrong_files(folder, '"settings.py"', f'"{pattern}"') == \
        f"track.toml (line 4): {path} may not be editable: it judges or instructs."


def test_a_scorer_that_does_not_exist(folder):
    (folder / "score.py").unlink()
    assert wrong_files(folder) == "track.toml (line 16): [score] names score.py, which does not exist."


def test_a_private_file_that_does_not_exist(folder):
    (folder / "labels.txt").unlink()
    assert wrong_files(folder) == "track.toml (line 17): the private file labels.txt does not exist."


def test_a_holdout_that_does_not_exist(folder):
    (folder / "unseen.txt").unlink()
    assert wrong_files(folder) == "track.toml (line 18): the private file unseen.txt does not exist."


@pytest.mark.parametrize("path", ["../labels.txt", "/etc/hostname"])
def test_a_private_file_outside_of_the_folder(folder, path):
    (folder.parent / "labels.txt").write_text("")
    sentence = wrong_files(folder, "labels.txt", path)
    assert sentence == f"track.toml (line 17): the private file {path} leaves the folder."


def test_a_number_among_a_command_s_words_is_no_file(folder):
    (folder / "track.toml").write_text(GOOD.replace('"run.py"]', '"run.py", "--rate", "0.1", "-1.5"]'))
    assert load(folder).run.command[-1] == "-1.5"


# ---- values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("5min", 300), ("5m", 300), ("8h", 28800), ("1h30m", 5400),
                                             ("1d", 86400), ("250ms", 0.25), ("1.5 h", 5400), ("1h 30min", 5400)])
def test_durations(text, value):
    assert seconds(text) == pytest.approx(value)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 99))
def test_a_duration_is_the_sum_of_its_parts(hours, minutes, rest):
    assert seconds(f"{hours}h{minutes}m{rest}s") == hours * 3600 + minutes * 60 + rest


@pytest.mark.parametrize(("text", "value"), [("1GiB", 1 << 30), ("512MiB", 512 << 20), ("1KB", 1000),
                                             ("2 GB", 2 * 10**9), ("1.5KiB", 1536), ("7B", 7)])
def test_sizes(text, value):
    assert size(text) == value


@given(st.integers(1, 1 << 40))
def test_a_size_in_bytes_is_itself(number):
    assert size(f"{number}B") == number


@pytest.mark.parametrize(("text", "value"), [("1.25x", (1.25, True)), ("40s", (40.0, False)), ("1KiB", (1024.0, False)),
                                             (3, (3.0, False)), (0.5, (0.5, False)), ("2 x", (2.0, True))])
def test_bounds(text, value):
    assert bound(text) == value


@given(st.text(alphabet="0123456789.smhdxKMGiB ", max_size=12))
def test_a_value_is_understood_or_refused_in_a_sentence(text):
    for read in (seconds, size, bound):
        try:
            read(text)
        except TrackError as error:
            assert text in str(error)


# ---- globs -----------------------------------------------------------------------------------------------------


def slow(pattern, path):
    """What a glob means, letter by letter."""
    if not pattern:
        return not path
    if pattern.startswith("**/"):
        rest = [i + 1 for i, letter in enumerate(path) if letter == "/" and "" not in path[:i].split("/")]
        return any(slow(pattern[3:], path[i:]) for i in [0, *rest])
    if pattern.startswith("**"):
        return any(slow(pattern[2:], path[i:]) for i in range(len(path) + 1))
    if pattern[0] == "*":
        end = path.find("/") if "/" in path else len(path)
        return any(slow(pattern[1:], path[i:]) for i in range(end + 1))
    fits = bool(path) and (pattern[0] == path[0] or (pattern[0] == "?" and path[0] != "/"))
    return fits and slow(pattern[1:], path[1:])


@given(st.lists(st.sampled_from(["a", "b", "*", "**", "?", "/", ".", "[a]"]), max_size=7).map("".join),
       st.lists(st.sampled_from(["a", "b", ".", "/", "[a]"]), max_size=7).map("".join))
def test_globs_mean_what_the_slow_reference_says(pattern, path):
    pattern = re.sub(r"\*{3,}", "**", pattern)
    assert covers(pattern, path) == slow(pattern, path)


@pytest.mark.parametrize(("pattern", "path", "whether"), [
    ("*.py", "a.py", True), ("*.py", "src/a.py", False), ("**/*.py", "a.py", True), ("**/*.py", "x/y/a.py", True),
    ("src/**", "src/x/y", True), ("src/**", "srcs/x", False), ("src/*", "src/x/y", False), ("a?c", "a/c", False),
    ("a.c", "abc", False), ("[ab].py", "a.py", False), ("A.py", "a.py", False), ("a.py", "a.py\n", False),
])
def test_globs(pattern, path, whether):
    assert covers(pattern, path) is whether


def test_files_below_git_and_overnight_count_for_no_glob(folder):
    (folder / ".overnight").mkdir()
    (folder / ".overnight" / "hidden.xyz").write_text("")
    with pytest.raises(TrackError, match="matches no file"):
        check_files(parse(GOOD.replace('"settings.py"', '"**/*.xyz"')), folder, GOOD)


def test_words_that_no_program_can_be_given_and_no_file_has_are_sentences(folder):
    with pytest.raises(TrackError, match="with a NUL"):
        parse(GOOD.replace('"run.py"', '"run.py", "\\u0000"'))
    with pytest.raises(TrackError, match="does not exist"):
        check_files(parse(GOOD.replace('"run.py"', f'"{"x" * 5000}.py"')), folder, GOOD)


PRELOAD = """
[track]
name = "t"
editable = ["train.py"]
[metric]
name = "loss"
direction = "minimize"
[run]
command = %s
preload = %s
[score]
command = ["python", "score.py"]
"""


@pytest.mark.parametrize("command", ['["python", "train.py"]', '["python3", "-u", "-m", "pack.train", "--fast"]', '["python", "-uB", "train.py"]',
                                     '["python", "-c", "import train"]'])
def test_a_python_can_be_started_warm(command):
    assert parse(PRELOAD % (command, '["torch", "os.path"]')).warm


@pytest.mark.parametrize("command", ['["sh", "run.sh"]', '["python"]', '["python", "-m"]', '["python", "-O", "train.py"]', '["python", "-"]',
                                     '["uv", "run", "train.py"]', '["/usr/bin/python3", "train.py"]'])
def test_what_is_no_python_to_be_started_warm_is_refused(command):
    with pytest.raises(TrackError, match=r"line 10.*preload is for a command that starts Python with a file, -m or -c"):
        parse(PRELOAD % (command, '["torch"]'))


@pytest.mark.parametrize("name", ["torch-vision", "train.py ", "", "a..b", "../x"])
def test_what_is_no_module_is_refused(name):
    with pytest.raises(TrackError, match="is no name of a Python module"):
        parse(PRELOAD % ('["python", "train.py"]', [name]))


def test_without_preload_nothing_is_warm():
    assert not parse(PRELOAD % ('["python", "train.py"]', "[]")).warm
