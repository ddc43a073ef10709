"""The API: what it answers, to whom, and that its description says so."""

import json
import re
import time

import msgspec
import pytest
from msgspec.structs import replace

from bench import long
from overnight.lab.events import Measured
from overnight.night.session import Session
from overnight.views.experiment import DetailView, detail, experiment
from overnight.views.unseen import unseen
from overnight.web import openapi
from overnight.web.api import BASE, OPERATIONS
from overnight.web.book import Book
from overnight.web.records import row
from web import BEARER, HOST, client

NEEDS = "git"
T = f"{BASE}/tracks/long"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def track(tmp_path_factory):
    """A long track with a holdout, an audit, logs and ideas."""
    session = long.write(tmp_path_factory.mktemp("web") / "long", 120, hostile=True)
    long.audited(session)
    return Session(session.repo.folder)


@pytest.fixture(scope="module")
def ask(track):
    with client(track.repo.folder) as asks:
        yield asks


@pytest.fixture(scope="module")
def state(track):
    return track.read()


def paths(state, ask):
    """Every address that can be read, with numbers of the track in it."""
    some = [each.id for each in list(state.experiments.values())[-20:]] + [each.id for each in state.chain()]
    for operation in OPERATIONS:
        if operation.method == "GET" and operation.name not in ("followTrack", "getOrder"):
            path = f"{BASE}{operation.path}".replace("{track}", "long")
            for number in some if "{number}" in path else [0]:
                runs = ask.get(f"{T}/experiments/{number}/runs").json() if "{run}" in path else [{"run": 0}]
                yield from (path.replace("{number}", str(number)).replace("{run}", str(run["run"])) for run in runs[:6])


def secrets(track, state):
    """The seeds of its runs and the numbers of its holdout, as they would be written."""
    runs = [each for each in track.journal.replay() if isinstance(each, Measured)]
    seeds = {str(each.seed) for each in runs if each.seed > 9999}
    holdout = {repr(value) for each in runs for value in (each.holdout, each.paired_holdout) if value is not None}
    found = state.monitor.read()
    return seeds, holdout | {repr(found.there), repr(found.share)}


def test_no_public_answer_holds_a_seed_or_a_number_of_the_holdout(track, state, ask):
    seeds, holdout = secrets(track, state)
    assert len(seeds) > 10 and len(holdout) > 5
    said = {path: ask.get(path) for path in (*paths(state, ask), f"{T}/journal?limit=500", f"{T}/experiments?limit=500")}
    assert all(each.status_code in (200, 404) for each in said.values())
    for path, each in said.items():
        words = set(re.findall(r"-?\d[\d.e+-]*", each.text))
        assert not words & seeds and not words & holdout, path


def test_the_same_answers_hold_them_for_a_reader_with_the_token(track, state, ask):
    seeds, _ = secrets(track, state)
    kept = state.chain()[0].id
    assert any(str(run["seed"]) in seeds for run in ask.get(f"{T}/experiments/{kept}/runs", headers=BEARER).json())
    assert {run["seed"] for run in ask.get(f"{T}/experiments/{kept}/runs").json()} == {0}
    assert ask.get(T, headers=BEARER).json()["holdout"]["keeps"] == state.monitor.read().keeps
    assert ask.get(f"{T}/journal", headers=BEARER).json()["items"][0]["body"]["kind"] == "opened"
    assert ask.get(f"{T}/journal").json()["items"][0]["body"] is None


def test_pages_tell_no_secret_either(track, state, ask):
    seeds, holdout = secrets(track, state)
    kept = state.chain()[0].id
    for path in ("/t/long/", "/t/long/experiments", f"/t/long/experiments/{kept}", "/t/long/findings", "/t/long/ideas",
                 "/t/long/journal", "/t/long/program", "/t/long/team", "/t/long/compare"):
        page = ask.get(path)
        assert page.status_code in (200, 404), path
        assert not set(re.findall(r"-?\d[\d.e+-]*", page.text)) & (seeds | holdout), path


def test_it_tells_what_the_commands_tell(state, ask):
    rows = ask.get(f"{T}/experiments?limit=500&sort=number", headers=BEARER).json()
    assert [each["id"] for each in rows["items"]] == sorted(state.experiments) and rows["total"] == len(state.experiments)
    assert msgspec.convert(rows["items"][5], type(experiment(state, state.experiments[6]))) == experiment(state, state.experiments[6])
    one = ask.get(f"{T}/experiments/{state.chain()[0].id}", headers=BEARER)
    assert msgspec.json.decode(one.content, type=DetailView).verdict.verdict == "keep"
    assert ask.get(f"{T}/experiments/{state.chain()[0].id}/patch").text.startswith("diff --git")
    assert ask.get(f"{BASE}/tracks").json()[0]["seq"] == state.records


def test_experiments_are_filtered_sorted_and_told_a_part_at_a_time(state, ask):
    def ids(query):
        return [each["id"] for each in ask.get(f"{T}/experiments?{query}").json()["items"]]

    kept = sorted(n for n, each in state.experiments.items() if each.verdict == "keep")
    assert ids("verdict=keep&sort=number") == kept
    assert all(each["cause"] == "worse" for each in ask.get(f"{T}/experiments?cause=worse").json()["items"])
    effects = [each["verdict"]["effect"] for each in ask.get(f"{T}/experiments?sort=-effect&limit=500").json()["items"]]
    known = [each for each in effects if each is not None]
    assert known == sorted(known, reverse=True) and effects[len(known):] == [None] * (len(effects) - len(known))
    for sort in ("number", "-effect", "pairs", "-evidence"):
        whole, after = [], ""
        while True:
            part = ask.get(f"{T}/experiments?sort={sort}&limit=7{after}").json()
            whole += [each["id"] for each in part["items"]]
            if part["next"] is None:
                break
            after = f"&after={part['next']}"
        assert whole == ids(f"sort={sort}&limit=500") and len(whole) == len(state.experiments), sort
    word = state.experiments[kept[0]].message.split()[0]
    assert kept[0] in ids(f"q={word.upper()}&limit=500")
    researcher = state.experiments[1].researcher
    assert len(ids(f"researcher={researcher}&limit=500")) == sum(e.researcher == researcher for e in state.experiments.values())


def test_the_course_team_and_comparison_are_those_of_the_views(track, state, ask):
    course = ask.get(f"{T}/progress?from=10&to=30").json()
    assert [each["id"] for each in course["places"]] == list(range(10, 31)) and course["total"] == len(state.experiments)
    assert {each["id"] for each in course["steps"]} == {each.id for each in state.chain() if 10 <= each.id <= 30}
    assert ask.get(f"{T}/progress?timed=true").json()["timed"]
    members = ask.get(f"{T}/team").json()["members"]
    assert sum(each["kept"] for each in members) == len(state.chain())
    same = ask.get(f"{T}/compare?with=long").json()
    assert same["difference"] == 0.0 and same["winner"] == "" and [each["name"] for each in same["sides"]] == ["long", "long"]
    assert ask.get(f"{T}/compare?with=none").status_code == 404 and ask.get(f"{T}/compare?one=none").status_code == 404


@pytest.mark.parametrize(("query", "field"), [
    ("limit=501", "limit"), ("limit=0", "limit"), ("limit=x", "limit"), ("verdict=good", "verdict"), ("nothing=1", "nothing"),
    ("sort=size", "sort"), ("after=-1", "after"), ("limit=1&limit=2", ""), ("q=" + "x" * 201, "q")])
def test_a_parameter_that_does_not_fit_is_422_and_named(query, field, ask):
    done = ask.get(f"{T}/experiments?{query}")
    assert done.status_code == 422 and done.headers["content-type"] == "application/problem+json"
    told = done.json()
    assert told["status"] == 422 and told["title"] and told["detail"].endswith(".") and field in told.get("field", "") + told["detail"]


def test_everything_that_goes_wrong_is_a_problem(ask):
    for path, status in ((f"{BASE}/nothing", 404), (f"{BASE}/tracks/none", 404), (f"{T}/experiments/9999", 404), (f"{T}/experiments/x", 404),
                         (f"{T}/experiments/{'9' * 6000}", 404), (f"{T}/experiments/3/logs/99999", 404), (f"{T}/orders/zz", 401)):
        done = ask.get(path)
        assert (done.status_code, done.headers["content-type"]) == (status, "application/problem+json"), path
        assert done.json()["status"] == status and done.json()["type"] == "about:blank"
    done = ask.put(f"{T}/experiments", headers=BEARER)
    assert done.status_code == 405 and "GET" in done.headers["allow"] and done.json()["status"] == 405
    assert ask.post(f"{T}/ideas", headers=BEARER, content=b"{}").status_code == 415
    for body in (b"", b"{", b"[]", b'{"title": 1}', b'{"title": ""}', b'{"title": "x", "more": 1}', b"\xff", b"[" * 100_000):
        assert ask.post(f"{T}/ideas", headers=BEARER | JSON, content=body).status_code == 422, body[:20]
    assert ask.get("/t/none/").status_code == 404 and "html" in ask.get("/t/none/").headers["content-type"]


def test_what_has_not_changed_is_not_sent_again(ask):
    first = ask.get(f"{T}/experiments")
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = ask.get(f"{T}/experiments", headers={"If-None-Match": given})
        assert again.status_code == 304 and not again.content and again.headers["etag"] == tag
    assert ask.get(f"{T}/experiments", headers={"If-None-Match": tag} | BEARER).status_code == 200  # who sees more has another


def test_logs_are_sent_in_parts_and_those_of_scoring_with_the_token_alone(track, state, ask):
    number = next(int(each.stem) for each in sorted((track.home / "logs").glob("*.log")))
    owner = next(each.experiment for each in track.journal.replay() if isinstance(each, Measured) and each.run == number)
    place = f"{T}/experiments/{owner}/logs/{number}"
    whole = ask.get(place)
    assert whole.status_code == 200 and b"Traceback" in whole.content and whole.headers["content-type"].startswith("text/plain")
    part = ask.get(place, headers={"Range": "bytes=5-14"})
    assert "content-encoding" not in part.headers
    assert part.status_code == 206 and part.content == whole.content[5:15]
    assert part.headers["content-range"] == f"bytes 5-14/{len(whole.content)}"
    assert ask.get(place, headers={"Range": "bytes=-9"}).content == whole.content[-9:]
    assert ask.get(place, headers={"Range": "bytes=10-"}).content == whole.content[10:]
    for wrong in ("bytes=9999999-", "bytes=5-2", "bytes=-0", "bytes=x-y", "bytes=-"):
        done = ask.get(place, headers={"Range": wrong})
        assert done.status_code == 416 and done.headers["content-range"] == f"bytes */{len(whole.content)}", wrong
    assert ask.get(f"{place}?of=score").status_code == 401
    assert ask.get(f"{place}?of=score", headers=BEARER).status_code == 404
    (track.home / "logs" / f"{number}-score.log").write_text("unseen data", encoding="utf-8")
    assert ask.get(f"{place}?of=score", headers=BEARER).text == "unseen data" and ask.get(f"{place}?of=score").status_code == 401


def test_a_candidate_that_prints_its_seed_does_not_hand_it_to_readers(track, state, ask):
    run = next(each for each in track.journal.replay() if isinstance(each, Measured) and each.seed > 9999 and each.experiment)
    (track.home / "logs" / f"{run.run}.log").write_text(f"seed: {run.seed}\nloss 1.5\n", encoding="utf-8")
    place = f"{T}/experiments/{run.experiment}/logs/{run.run}"
    assert ask.get(place).text == "seed: [seed]\nloss 1.5\n" and str(run.seed) in ask.get(place, headers=BEARER).text


def test_an_error_that_quotes_the_seed_does_not_hand_it_to_readers_either(track, state):
    run = next(each for each in track.journal.replay() if isinstance(each, Measured) and each.seed > 999_999 and each.experiment)
    said, own = f"ValueError: {run.seed} (train.py, line 7)", track.read()
    own.experiments[run.experiment].reason = said
    for full in (False, True):
        told = Book().history(own, own.records, full)
        found = next(each for each in told.experiments if each.id == run.experiment).verdict.reason
        assert found == (said if full else "ValueError: [number] (train.py, line 7)")
    one = detail(own, own.experiments[run.experiment], list(track.journal.replay()), track.log)
    assert one.verdict.reason == said and unseen(one).verdict.reason == "ValueError: [seed] (train.py, line 7)"
    for each in (replace(run, reason=said), replace(run, reason=f"seed={run.seed}")):
        assert str(run.seed) not in row(3, each).words and "[number]" in row(3, each).words


def test_no_public_answer_holds_a_hash_of_a_record_from_which_its_seed_could_be_guessed(track, state, ask):
    hashes = {track.journal.hash_of(number) for number in range(1, state.records + 1)}
    for path in (T, f"{BASE}/tracks", f"{T}/journal", f"{T}/journal/verification", "/t/long/", "/t/long/journal"):
        shown = ask.get(path)
        assert not any(each in shown.text or each[:12] in f"{shown.text} {shown.headers}" for each in hashes), path
        assert path in (T, f"{T}/journal") or track.journal.head[1][:12] in ask.get(path, headers=BEARER).text \
            or path.endswith("verification")


def test_a_cookie_is_no_token_that_makes_the_next_cookie(track):
    with client(track.repo.folder) as asks:
        assert asks.post(f"{BASE}/session", headers=BEARER).status_code == 200 and asks.cookies
        ours = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
        assert asks.get(f"{BASE}/session").json()["full"]
        done = asks.post(f"{BASE}/session", headers=ours)
        assert done.status_code == 401 and "set-cookie" not in done.headers


def test_records_behind_the_last_one_are_none_and_never_misnumbered(state, ask):
    assert ask.get(f"{T}/journal?after={state.records + 7}").json() == {"items": [], "next": None}
    assert [each["seq"] for each in ask.get(f"{T}/journal?after={state.records - 2}").json()["items"]] \
        == [state.records - 1, state.records]


def test_the_chain_is_checked_when_asked_for(ask):
    for _ in range(200):
        found = ask.get(f"{T}/journal/verification").json()
        if found["state"] != "running":
            break
        time.sleep(0.05)
    assert found["state"] == "whole" and found["seq"] == ask.get(f"{BASE}/tracks").json()[0]["seq"] and found["at"]


# ---- orders, where no night is at work -------------------------------------------------------------------------


def became(ask, place):
    """What became of an order."""
    for _ in range(400):
        done = ask.get(place, headers=BEARER)
        if done.status_code != 202:
            return done
        time.sleep(0.05)
    raise AssertionError("it waits for ever")


def test_an_idea_is_added_once_by_its_mark_and_dropped(track, ask):
    key = {"Idempotency-Key": "0a1b2c3d-0000-4000-8000-000000000001"}
    body = {"title": "Anneal the temperature of the sampler", "text": "slowly"}
    first = ask.post(f"{T}/ideas", headers=BEARER | key, json=body)
    assert first.status_code == 202 and first.headers["location"] == f"{T}/orders/{key['Idempotency-Key']}"
    number = became(ask, first.headers["location"]).json()["idea"]
    assert ask.post(f"{T}/ideas", headers=BEARER | key, json=body).status_code == 202
    assert ask.post(f"{T}/ideas", headers=BEARER | key, json={"title": "Another"}).status_code == 422
    known = ask.post(f"{T}/ideas", headers=BEARER, json={"title": body["title"]})
    assert known.status_code == 409 and "anyway" in known.json()["detail"]
    ideas = [each for each in ask.get(f"{T}/ideas").json()["items"] if each["title"] == body["title"]]
    assert [each["id"] for each in ideas] == [number]
    dropped = ask.delete(f"{T}/ideas/{number}", headers=BEARER)
    assert dropped.status_code == 202 and became(ask, dropped.headers["location"]).json()["state"] == "done"
    assert ask.delete(f"{T}/ideas/99999", headers=BEARER).status_code == 404


def test_an_idea_is_moved_to_another_place(track, ask):
    numbers = []
    for title in ("Clip gradients by their norm", "Tie the embeddings to the head"):
        done = ask.post(f"{T}/ideas", headers=BEARER, json={"title": title, "anyway": True})
        numbers.append(became(ask, done.headers["location"]).json()["idea"])
    moved = ask.patch(f"{T}/ideas/{numbers[1]}", headers=BEARER, json={"position": 1})
    assert moved.status_code == 202 and became(ask, moved.headers["location"]).json()["state"] == "done"
    waiting = [entry.id for entry in Session(track.repo.folder).read().ideas.waiting()]
    assert waiting[0] == numbers[1] and waiting.index(numbers[0]) > 0
    assert ask.patch(f"{T}/ideas/99999", headers=BEARER, json={"position": 1}).status_code == 404
    assert ask.patch(f"{T}/ideas/{numbers[0]}", headers=BEARER, json={"position": 0}).status_code == 422
    assert ask.patch(f"{T}/ideas/{numbers[0]}", json={"position": 1}).status_code == 401
    became(ask, ask.delete(f"{T}/ideas/{numbers[0]}", headers=BEARER).headers["location"])
    done = ask.patch(f"{T}/ideas/{numbers[0]}", headers=BEARER, json={"position": 1})
    assert done.status_code == 409 and "does not wait" in done.json()["detail"]


def test_a_program_is_written_over_the_version_that_was_read_alone(track, ask):
    first = ask.get(f"{T}/program")
    tag, text = first.headers["etag"], "Be bold, and measure twice.\n"
    key = {"Idempotency-Key": "0a1b2c3d-0000-4000-8000-00000000000a"}
    assert tag == f'"{first.json()["in_force"]}"'
    missing = ask.put(f"{T}/program", headers=BEARER, json={"text": text})
    assert missing.status_code == 428 and missing.json()["field"] == "If-Match"
    assert ask.put(f"{T}/program", headers=BEARER | {"If-Match": '"other"'}, json={"text": text}).status_code == 412
    wrong = ask.put(f"{T}/program", headers=BEARER | {"If-Match": tag}, json={"text": "---\n[\n---\n"})
    assert wrong.status_code == 422 and wrong.json()["field"] == "text"
    large = ask.put(f"{T}/program", headers=BEARER | {"If-Match": tag}, json={"text": "x" * (65 << 10)})
    assert large.status_code == 413 and "64 KiB" in large.json()["detail"]
    done = ask.put(f"{T}/program", headers=BEARER | {"If-Match": tag} | key, json={"text": text})
    assert done.status_code == 202 and became(ask, done.headers["location"]).json()["state"] == "done"
    again = ask.put(f"{T}/program", headers=BEARER | {"If-Match": tag} | key, json={"text": text})
    assert again.status_code == 202 and again.json()["state"] == "done"  # the same order, though it is in force by now
    now = ask.get(f"{T}/program").json()
    assert (now["text"], now["pending"], now["problem"]) == (text, True, "") and now["versions"][-1]["in_force"]
    assert ask.put(f"{T}/program", headers=BEARER | {"If-Match": tag}, json={"text": "Late.\n"}).status_code == 412
    assert (track.repo.folder / "program.md").read_text() != text
    later = Session(track.repo.folder)
    assert later.read() and later.program.prose == text


def test_a_program_that_is_broken_is_told_and_not_written_over(track, ask):
    place = track.repo.folder / "program.md"
    had = place.read_text()
    place.write_text("---\n[\n---\n")
    try:
        found = ask.get(f"{T}/program").json()
        assert "program.md" in found["problem"] and found["versions"]
        assert ask.put(f"{T}/program", headers=BEARER | {"If-Match": "*"}, json={"text": "x"}).status_code == 409
    finally:
        place.write_text(had)


def test_versions_of_the_program_differ_by_what_was_written(ask):
    tag = ask.get(f"{T}/program").headers["etag"]
    for text in ("One thing at a time.\n", "Two things at a time.\n"):
        done = ask.put(f"{T}/program", headers=BEARER | {"If-Match": tag}, json={"text": text})
        assert became(ask, done.headers["location"]).status_code == 200
        tag = ask.get(f"{T}/program").headers["etag"]
    changed = ask.get(f"{T}/program/diff")
    assert changed.headers["content-type"].startswith("text/x-diff")
    assert "-One thing at a time.\n+Two things at a time.\n" in changed.text
    last = len(ask.get(f"{T}/program").json()["versions"])
    turned = ask.get(f"{T}/program/diff?from={last}&to={last - 1}").text
    assert "-Two things at a time.\n+One thing at a time.\n" in turned
    assert ask.get(f"{T}/program/diff?from={last + 1}").status_code == 404


def test_an_order_that_cannot_be_carried_out_is_a_conflict_with_its_reason(state, ask):
    for order in ("pause", "resume", "stop"):
        done = ask.post(f"{T}/orders", headers=BEARER, json={"order": order})
        assert done.status_code == 409 and "nothing is at work" in done.json()["detail"]
    lost = next(n for n, each in state.experiments.items() if each.verdict == "discard")
    assert ask.post(f"{T}/orders", headers=BEARER, json={"order": "veto", "experiment": lost}).status_code == 409
    assert ask.get(f"{T}/orders/0a1b2c3d-ffff", headers=BEARER).status_code == 404
    assert ask.post(f"{T}/ideas", headers=BEARER | {"Idempotency-Key": "not a mark!"}, json={"title": "x"}).status_code == 422


def test_a_keep_is_taken_back(track, ask):
    kept = ask.get(f"{T}/experiments?verdict=keep&sort=-number").json()["items"][0]["id"]
    done = ask.post(f"{T}/orders", headers=BEARER, json={"order": "veto", "experiment": kept, "reason": "it is too slow"})
    assert done.status_code == 202 and became(ask, done.headers["location"]).status_code == 200
    assert Session(track.repo.folder).read().experiments[kept].verdict == "discard"


# ---- the description -------------------------------------------------------------------------------------------


def test_the_description_has_every_operation_with_its_parameters_and_types():
    told = json.loads(openapi.description())
    assert told["openapi"] == "3.1.0"
    for each in OPERATIONS:
        here = told["paths"][f"{BASE}{each.path}"][each.method.lower()]
        assert here["summary"].endswith(".") and str(each.status) in here["responses"]
        given = {parameter["name"] for parameter in here["parameters"] if parameter["in"] == "query"}
        assert given == {field.encode_name for field in msgspec.structs.fields(each.query)}
        assert all(parameter["description"] for parameter in here["parameters"] if parameter["in"] == "query")
    assert "DetailView" in told["components"]["schemas"] and "Problem" in told["components"]["schemas"]
    assert len({each.name for each in OPERATIONS}) == len(OPERATIONS)


def test_what_is_long_is_sent_compressed_to_those_that_ask(ask):
    plain, packed = (ask.get("/t/long/", headers={"Accept-Encoding": how}) for how in ("identity", "gzip"))
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
