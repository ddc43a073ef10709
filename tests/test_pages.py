"""The pages of a track: what each says, who sees what, and that an address asks for a list."""

import re
import time
from urllib.parse import parse_qs

import pytest

from golden import nights
from overnight.errors import NotFound
from overnight.lab.events import Event
from overnight.web import records
from overnight.web.choosing import choice, chosen, part
from overnight.web.fragments import FRAGMENTS
from overnight.web.pages import PAGES, listed, notice
from pages_ground import Parts, seen, track

NEEDS = "git"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return track(tmp_path_factory.mktemp("pages") / "long", 300)


@pytest.fixture(scope="module")
def full(folder):
    return seen(folder)


@pytest.fixture(scope="module")
def public(folder):
    return seen(folder, full=False)


def page(view, path, **asked):
    """A page by its path, taken apart."""
    asked = {name: str(value) for name, value in asked.items()}
    return Parts(next(each for each in PAGES if each.path == path).render(view, asked))


def every(view):
    """All pages of a track: path -> HTML."""
    one = {"number": str(view.history.kept[-1].id)}
    return {each.path: each.render(view, one if "{" in each.path else {}) for each in PAGES}


def test_each_page_is_whole_and_says_where_it_is(full):
    for path, text in every(full).items():
        parts = Parts(text)
        assert text.startswith("<!doctype html>") and text.rstrip().endswith("</html>")
        assert len(parts.of("h1")) == len(parts.of("main")) == len(parts.of("nav")) == 1, path
        current = [each["href"] for each in parts.of("a") if each.get("aria-current") == "page"]
        assert current == ([] if path == "ladder" else [f"/t/long/{path.partition('/')[0]}"])  # no rung was climbed to
        assert [each["lang"] for each in parts.of("html")] == ["en"]


def test_no_page_loads_or_links_elsewhere_and_none_has_inline_style_or_script(full):
    for path, text in every(full).items():
        for tag, attributes in Parts(text).elements:
            assert not {name for name in attributes if name.startswith("on") or name == "style"}, (path, tag)
            for name in ("src", "href", "action", "data-send", "data-live"):
                assert (attributes.get(name) or "/").startswith(("/", "?", "#")), (path, tag, attributes)
            if tag == "script":
                assert attributes.get("type") == "application/json" or attributes["src"].startswith("/static/")


def test_the_elements_of_a_page_have_ids_of_their_own(full):
    for path, text in every(full).items():
        ids = [attributes["id"] for _, attributes in Parts(text).elements if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        keys = [attributes["data-key"] for _, attributes in Parts(text).elements if "data-key" in attributes]
        assert len(keys) == len(set(keys)), (path, [key for key in keys if keys.count(key) > 1])


def test_a_reader_without_the_token_sees_no_holdout_no_seed_and_no_form_that_steers(full, public):
    seeds = {str(run.seed) for each in full.history.experiments[:20] for run in full.detail(each.id).runs}
    holdout = full.history.track.holdout
    assert holdout is not None and holdout.share is not None and seeds
    hidden = {f"{100 * holdout.share:.0f} %", f"{holdout.holdout:.3g}"}
    for path, text in every(public).items():
        parts = Parts(text)
        assert not [each for each in parts.of("form") if "data-send" in each], path
        assert not seeds & set(re.findall(r"\d+", parts.text)), path
        if path in ("", "findings"):
            assert not [number for number in hidden if number in parts.text], path
    assert f"{100 * holdout.share:.0f} %" in page(full, "").text
    assert [each for each in page(full, "ideas").of("form") if "data-send" in each]


def test_the_fragments_of_the_night_are_what_its_page_holds(full):
    text = next(each for each in PAGES if not each.path).render(full, {})
    ids = {attributes.get("id") for _, attributes in Parts(text).elements}
    assert set(FRAGMENTS) <= ids
    for name, render in FRAGMENTS.items():
        assert render(full).strip() in text, name


def test_the_night_answers_four_questions(full):
    text = page(full, "").text
    for question in ("What did it find?", "Can I believe it?", "What did it cost?", "What do I merge?"):
        assert question in text
    assert f"{len(full.history.kept)} kept" in text and "overnight merge" in text


def test_an_experiment_is_told_in_words_with_what_was_needed(full):
    kept = full.history.kept[-1]
    text = page(full, "experiments/{number:int}", number=kept.id).text
    assert "It beat its base on" in text and "to 1 was needed" in text and kept.title in text
    assert "How it was decided, in full" in text and kept.commit[:12] in text


@pytest.mark.parametrize("number", ["0", "999999"])
def test_what_is_not_there_is_not_found(full, number):
    with pytest.raises(NotFound):
        page(full, "experiments/{number:int}", number=number)


def test_what_broke_a_guard_is_told_with_the_bound(full):
    barred = [each for each in full.history.experiments if each.cause == "guard"]
    assert barred, "the record has one"
    text = page(full, "experiments/{number:int}", number=barred[0].id).text
    assert "× of the baseline's" in text and "is allowed" in text


# ---- lists -----------------------------------------------------------------------------------------------------


def shown(view, **asked):
    """The numbers of the experiments that a list shows."""
    return [int(each["id"][1:]) for each in page(view, "experiments", **asked).of("tr") if each.get("id", "").startswith("e")]


def test_a_list_is_asked_for_by_its_address(full):
    every_one = full.history.experiments
    assert shown(full) == [each.id for each in reversed(every_one)][:100]
    kept = [each.id for each in every_one if each.verdict.verdict == "keep"]
    assert sorted(shown(full, verdict="keep")) == kept
    assert set(shown(full, verdict="keep,crash")) == {e.id for e in every_one if e.verdict.verdict in ("keep", "crash")}
    one = every_one[7]
    assert one.id in shown(full, q=one.title.upper()[:30])
    assert shown(full, researcher=one.researcher) == [e.id for e in reversed(every_one) if e.researcher == one.researcher][:100]
    assert shown(full, cause="guard") == [e.id for e in reversed(every_one) if e.cause == "guard"]
    assert shown(full, q="nothing is like this") == []


def test_a_sort_turns_round_and_leaves_what_has_no_number_at_the_end(full):
    known = {each.id: each.verdict.effect for each in full.history.experiments}
    down = [known[number] for number in shown(full, sort="-effect")]
    numbers = [effect for effect in down if effect is not None]
    assert numbers == sorted(numbers, reverse=True) and down[len(numbers):] == [None] * (len(down) - len(numbers))


def test_an_address_says_everything_that_is_chosen():
    wanted = choice({"verdict": "keep,nonsense,open", "q": "  a  b ", "idea": "#3", "sort": "wrong", "page": "-1", "at": "x"})
    assert (wanted.verdict, wanted.q, wanted.idea, wanted.sort, wanted.page, wanted.at) == (("keep", "open"), "a b", 3, "-number", 1, 0)
    asked = parse_qs(wanted.toggled("open")[1:])
    assert asked == {"verdict": ["keep"], "q": ["a b"], "idea": ["3"]}
    assert choice({name: values[0] for name, values in asked.items()}) == choice({"verdict": "keep", "q": "a b", "idea": "3"})


def test_a_number_is_found_on_its_page(full):
    found = chosen(choice({}), full.history.experiments)
    assert len(found) == 300
    assert part(choice({"page": "2"}), found).first == 101
    assert part(choice({"page": "99"}), found).page == part(choice({}), found).pages == 3
    last = part(choice({"at": "1"}), found)
    assert last.page == 3 and 1 in [each.id for each in last.shown]


def test_ten_thousand_are_filtered_within_a_tenth_of_a_second(full):
    some = full.history.experiments
    many = [some[number % len(some)] for number in range(10_000)]
    took = []
    for _ in range(3):
        began = time.process_time()
        part(choice({}), chosen(choice({"q": "learning", "verdict": "discard", "sort": "-effect"}), many))
        took.append(time.process_time() - began)
    assert min(took) < 0.1


# ---- other pages -----------------------------------------------------------------------------------------------


def test_the_journal_is_shown_a_page_and_a_kind_at_a_time(full):
    rows = [int(each["id"][1:]) for each in page(full, "journal").of("tr") if each.get("id", "").startswith("r")]
    assert rows == list(range(full.seq, full.seq - 100, -1))
    judged = page(full, "journal", kind="judged")
    count = sum(each.verdict.verdict != "open" for each in full.history.experiments)
    assert len([each for each in judged.of("tr") if each.get("id", "").startswith("r")]) == min(100, count)
    older = next(each["href"] for each in page(full, "journal").of("a") if each.get("data-key") == "older")
    assert older == f"?before={full.seq - 100}"


def test_the_journal_tells_no_seed(full):
    seeds = {str(run.seed) for each in full.history.experiments for run in full.detail(each.id).runs}
    last = full.seq
    while last > 0:
        assert not seeds & set(re.findall(r"\d+", page(full, "journal", before=last).text))
        last -= 100


def test_a_page_without_a_track_says_one_sentence():
    assert "a &lt;b&gt;" in notice("a <b>", "It is not there.") and "/t/x%20y/" in notice("a", "b", "x y")
    assert [each["href"] for each in Parts(listed(["one", "two"])).of("a")] == ["/", "/t/one/", "/t/two/"]


@pytest.mark.parametrize("kind", Event.__args__, ids=lambda kind: kind.__name__)
def test_every_kind_of_record_has_words_in_the_journal(kind):
    first = next(event for name in nights.names() for event in nights.load(name) if type(event) is kind)
    assert records.row(1, first).words
