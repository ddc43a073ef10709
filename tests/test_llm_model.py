"""One request to a model, over real sockets: names, keys, prices, and what each failure means for the next request."""

import http.server
import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.errors import Away, EditError, TrackError
from overnight.researchers.llm import model
from overnight.researchers.llm.model import (
    LONGEST_WAIT_SECONDS,
    MOST_FAILURES,
    Model,
    ModelName,
    Request,
    check,
    key,
    named,
    wait,
)
from overnight.testing.server import Faults, Server

ASKED = Request("author", "propose", 7, "the stable part", "the current part", timeout=20)
KEYS = {"OPENAI_API_KEY": "k-openai", "ANTHROPIC_API_KEY": "k-anthropic", "GOOGLE_API_KEY": "k-google"}


def at(server, **options):
    return Model(f"server:any@{server.url}", **options)


def away(asked_model, request=ASKED):
    with pytest.raises(Away) as error:
        asked_model.ask(request)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)
    return error.value


@contextmanager
def raw(status, body, headers=(), kind="application/json", gate=None):
    """A server that gives every request the same answer, once as many are there as the gate wants; its address, and the
    requests that it got."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            if gate:
                gate.wait(timeout=30)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in [*headers, ("Content-Type", kind), ("Content-Length", str(len(content)))]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
            thread.join()


def closed_port():
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


# ---- names and keys --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "expected"), [
    ("openai:gpt-5-mini", ModelName("openai", "gpt-5-mini")),
    ("ollama:qwen3:8b", ModelName("ollama", "qwen3:8b", "http://127.0.0.1:11434/v1")),
    ("vllm:Qwen/Qwen3-8B@http://10.0.0.5:8000/v1/", ModelName("vllm", "Qwen/Qwen3-8B", "http://10.0.0.5:8000/v1")),
    ("server:a@b@https://host/v1", ModelName("server", "a@b", "https://host/v1")),
])
def test_a_name_is_taken_apart(text, expected):
    assert named(text, {}) == expected


@pytest.mark.parametrize(("text", "words"), [
    ("", "provider:name"), ("gpt-5", "provider:name"), ("mystery:x", "the providers are openai"), ("openai:", "provider:name"),
    ("openai:a b", "provider:name"), ("server:x", "OVERNIGHT_MODEL_URL"), ("server:x@ftp://h", "has no address"),
    ("openai:gpt-5@http://h/v1", "server:NAME@URL"), ("server:x@http://user:pass@h/v1", "without a user"),
    ("server:x@http://h:port/v1", "must be like"), ("server:x@http:///v1", "must be like"), ("x" * 10_000, "provider:name"),
])
def test_a_name_that_is_none_is_one_sentence(text, words):
    with pytest.raises(TrackError) as error:
        check(text, {})
    assert words in str(error.value) and str(error.value).endswith(".") and len(str(error.value)) < 500


@given(st.text(max_size=60) | st.text("aeopvrs:@/.htp10", max_size=40))
def test_any_text_is_a_name_or_a_sentence(text):
    try:
        found = named(text, {})
    except TrackError as error:
        assert str(error).endswith(".")
    else:
        assert found.provider in model.PROVIDERS and found.name


@pytest.mark.parametrize(("text", "variable"), [("openai:gpt-5", "OPENAI_API_KEY"), ("anthropic:claude", "ANTHROPIC_API_KEY"),
                                                ("google:gemini", "GOOGLE_API_KEY or GEMINI_API_KEY")])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_is_named_before_the_night_begins_and_ends_the_work_in_it(text, variable, value):
    environ = {} if value is None else {variable.split()[0]: value}
    with pytest.raises(TrackError, match=f"set {variable}"):
        check(text, environ)
    ended = away(Model(text, environ=environ))
    assert ended.wait is None and variable in str(ended)


def test_a_key_with_a_line_break_is_a_sentence():
    with pytest.raises(TrackError, match="characters that no key has"):
        check("openai:gpt-5", {"OPENAI_API_KEY": "k\nX-Header: y"})


@pytest.mark.parametrize("text", ["openai:gpt-5", "anthropic:claude-haiku-4-5", "google:gemini-2.5-flash", "ollama:qwen3"])
def test_with_its_key_a_model_can_be_asked(text):
    check(text, KEYS)


def test_the_key_for_a_server_goes_only_where_the_user_said():
    environ = {"OVERNIGHT_MODEL_URL": "http://127.0.0.1:8000/v1/", "OVERNIGHT_MODEL_KEY": "secret", **KEYS}
    assert key(named("server:any", environ), environ) == "secret"
    assert key(named("server:any@http://127.0.0.1:8000/v1", environ), environ) == "secret"
    assert key(named("server:any@http://127.0.0.1:8001/v1", environ), environ) == ""
    assert key(named("ollama:qwen3@http://elsewhere/v1", environ), environ) == ""
    assert key(named("server:any@http://elsewhere/v1", environ | {"OVERNIGHT_MODEL_URL": ""}), environ) == ""


@pytest.mark.sandbox
def test_without_the_packages_one_sentence_says_what_to_install():
    code = ("import sys; sys.modules['pydantic_ai'] = None\n"
            "from overnight.errors import TrackError\nfrom overnight.researchers.llm.model import check\n"
            "try: check('ollama:qwen3', {})\nexcept TrackError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("the model ollama:qwen3 needs the extra 'llm': ") and done.stdout.count("\n") == 1


@pytest.mark.sandbox
def test_importing_the_researcher_does_not_load_the_providers():
    code = ("import sys, overnight.researchers.llm.author, overnight.researchers.llm.roles, overnight.testing.models\n"
            "print([m for m in sys.modules if m.partition('.')[0] in ('pydantic_ai', 'pydantic', 'openai', 'genai_prices')])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


# ---- answers ---------------------------------------------------------------------------------------------------


@pytest.mark.services
def test_an_answer_comes_with_its_tokens_and_its_price():
    with Server(lambda messages: "one two three.") as server:
        asked = at(server, price=(10.0, 100.0))
        first, second = asked.ask(ASKED), asked.ask(ASKED)
    assert (first.text, first.tokens_in, first.tokens_out, first.cached, first.cut) == ("one two three.", 6, 4, 0, False)
    assert first.dollars == pytest.approx((6 * 10 + 4 * 100) / 1e6)
    assert second.cached == 3, "the stable part comes first and stays the same"


@pytest.mark.services
def test_a_conversation_is_sent_whole_and_in_order():
    seen = []
    with Server(lambda messages: seen.extend(messages) or "done") as server:
        at(server).ask(Request("author", "repair", 7, "stable", "current", (("an answer", "a reason"), ("another", "why"))))
    assert [(m["role"], m["content"]) for m in seen] == [
        ("system", "stable"), ("user", "current"), ("assistant", "an answer"), ("user", "a reason"), ("assistant", "another"),
        ("user", "why")]


@pytest.mark.services
def test_halves_of_characters_are_not_sent():
    seen = []
    with Server(lambda messages: seen.extend(messages) or "half \ud800 of one") as server:
        answer = at(server).ask(Request("author", "propose", 7, "a \ud800 b", "c \udfff d"))
    assert [m["content"] for m in seen] == ["a ? b", "c ? d"]
    answer.text.encode()


@pytest.mark.services
def test_an_answer_is_cut_at_the_longest_and_says_so():
    with Server(lambda messages: "one two three four") as server:
        answer = at(server).ask(Request("author", "propose", 7, "s", "c", max_tokens=3))
    assert (answer.text.strip(), answer.tokens_out, answer.cut) == ("one two three", 3, True)


@pytest.mark.services
def test_a_server_that_does_not_count_says_so():
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}]}
    with raw(200, body) as (url, _):
        answer = Model(f"server:m@{url}/v1", price=(1.0, 1.0)).ask(ASKED)
    assert (answer.text, answer.counted, answer.dollars) == ("hello", False, None)


@pytest.mark.services
@pytest.mark.parametrize(("text", "field"), [("ollama:qwen3", "max_tokens"), ("server:any", "max_tokens"),
                                             ("openai:gpt-5-mini", "max_completion_tokens")])
def test_each_server_is_told_the_longest_in_the_word_that_it_knows(text, field):
    with raw(429, {}) as (url, seen):
        away(Model(text, base_url=f"{url}/v1", environ=KEYS | {"OVERNIGHT_MODEL_URL": url}))
    sent = json.loads(seen[0][2])
    assert sent[field] == 16_000 and len({"max_tokens", "max_completion_tokens"} & set(sent)) == 1


@pytest.mark.services
def test_what_a_model_thinks_to_itself_is_not_its_answer():
    with Server(lambda messages: "<think>\nFILE: secret\n</think>\n\nTITLE: t") as server:
        assert at(server).ask(ASKED).text.strip() == "TITLE: t"


@pytest.mark.services
def test_many_threads_may_ask_at_once():
    with Server(lambda messages: messages[-1]["content"]) as server, ThreadPoolExecutor(8) as threads:
        asked = at(server)
        requests = [Request("author", "propose", n, "s", f"number {n}") for n in range(24)]
        assert [a.text for a in threads.map(asked.ask, requests)] == [f"number {n}" for n in range(24)]
        assert server.tally.answered == 24


@pytest.mark.parametrize(("text", "known"), [("openai:gpt-5-mini", True), ("anthropic:claude-haiku-4-5", True),
                                             ("google:gemini-2.5-flash", True), ("openai:of-my-own", False), ("ollama:qwen3", False)])
def test_prices_come_from_the_public_list_without_a_network(text, known):
    price = Model(text, environ=KEYS).price(1_000_000, 1_000_000)
    assert (price is not None and price > 0) == known


def test_writing_to_a_cache_has_its_price_and_reading_is_cheaper():
    asked = Model("anthropic:claude-haiku-4-5", environ=KEYS)
    assert asked.price(10_000, 0, cached=10_000) < asked.price(10_000, 0) < asked.price(10_000, 0, written=10_000)


def test_a_given_price_goes_before_the_list():
    assert Model("openai:gpt-5-mini", price=(1.0, 2.0), environ=KEYS).price(1_000_000, 500_000) == 2.0


# ---- failures --------------------------------------------------------------------------------------------------


@pytest.mark.services
def test_a_dead_server_is_left_alone_for_longer_and_longer_and_then_given_up():
    asked = Model(f"server:any@http://127.0.0.1:{closed_port()}/v1")
    ends = [away(asked) for _ in range(MOST_FAILURES)]
    waits = [end.wait for end in ends]
    assert all(2 * 2**n <= w <= 2 * 2**n * 1.25 for n, w in enumerate(waits[:-1])) and waits[-1] is None
    assert {end.outcome for end in ends} == {"outage"} and "see whether its server" in str(ends[0])
    assert f"failure {MOST_FAILURES} in a row" in str(ends[-1])


@pytest.mark.services
def test_a_server_that_comes_back_is_forgiven():
    fault = Faults(outages=1.0)
    with Server(lambda messages: "hello", fault) as server:
        asked = at(server)
        for _ in range(3):
            assert away(asked).outcome == "outage"
        server.faults = Faults()
        assert asked.ask(ASKED).text == "hello"
        server.faults = fault
        assert 2 <= away(asked).wait <= 2.5
        for _ in range(MOST_FAILURES):
            assert away(asked).wait is not None, "a model that has answered is given more time"


@pytest.mark.services
def test_failures_that_were_under_way_together_count_once():
    with raw(503, {}, gate=threading.Barrier(8)) as (url, _), ThreadPoolExecutor(8) as threads:
        asked = Model(f"server:any@{url}/v1")
        ends = threads.map(lambda seed: away(asked, Request("a", "propose", seed, "s", "c", timeout=20)), range(8))
        assert all(2 <= end.wait <= 2.5 for end in ends)


@pytest.mark.services
@pytest.mark.parametrize(("header", "least", "most"), [("30", 30, 37.5), ("7200", 3600, 4500), ("nonsense", 2, 2.5), ("-5", 0, 2.5),
                                                       ("nan", 2, 2.5)])
def test_a_limit_is_waited_for_as_long_as_the_server_asks(header, least, most):
    with raw(429, {"error": {"message": "slow down"}}, [("Retry-After", header)]) as (url, seen):
        ended = away(Model(f"server:any@{url}/v1"))
    assert ended.outcome == "limit" and least <= ended.wait <= most
    assert len(seen) == 1, "the provider's library does not try again by itself"


@pytest.mark.services
def test_an_answer_that_never_comes_is_a_timeout():
    with Server(lambda messages: "hello", Faults(timeouts=1.0)) as server:
        ended = away(at(server), Request("author", "propose", 7, "s", "c", timeout=0.5))
    assert ended.outcome == "timeout" and ended.wait >= 2 and "within 0.5 s" in str(ended)


@pytest.mark.services
def test_an_answer_that_drips_in_is_a_timeout_too():
    """The deadline is the whole request's, not that of one packet."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def drip():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
                while not done.wait(0.05):
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        asked = Model(f"server:any@http://127.0.0.1:{listener.getsockname()[1]}/v1")
        ended = away(asked, Request("author", "propose", 7, "s", "c", timeout=1.0))
        done.set()
        thread.join()
    assert ended.outcome == "timeout"


@pytest.mark.services
@pytest.mark.parametrize(("status", "words"), [(401, "check OVERNIGHT_MODEL_KEY"), (403, "refuses the key"),
                                               (404, "no such model"), (402, "no credit left")])
def test_what_trying_again_will_not_mend_ends_the_work_with_a_sentence(status, words):
    with raw(status, {"error": {"message": "no", "code": "x"}}) as (url, seen):
        ended = away(Model(f"server:any@{url}/v1"))
    assert ended.wait is None and words in str(ended) and len(seen) == 1


@pytest.mark.services
def test_a_used_up_account_is_no_rate_limit():
    with raw(429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}) as (url, _):
        ended = away(Model("openai:gpt-5-mini", base_url=f"{url}/v1", environ=KEYS))
    assert ended.wait is None and "no credit left" in str(ended)


@pytest.mark.services
@pytest.mark.parametrize(("status", "body", "kind"), [
    (200, b"<html>welcome to the captive portal</html>", "text/html"), (200, b"{", "application/json"), (200, {}, "application/json"),
    (200, {"choices": []}, "application/json"), (200, b"", "application/json"), (500, b"boom", "text/plain"),
    (302, b"", "text/html"), (418, {"error": "\x1b[2Jteapot\n" * 50}, "application/json"),
])
def test_garbage_is_a_failure_that_may_pass(status, body, kind):
    with raw(status, body, kind=kind) as (url, seen):
        ended = away(Model(f"server:any@{url}/v1"))
    assert ended.wait >= 2 and len(seen) == 1
    assert str(ended).isprintable() and len(str(ended)) < 400


@pytest.mark.services
def test_a_page_that_is_too_long_ends_the_work_and_a_conversation_only_the_experiment():
    body = {"error": {"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}}
    with raw(400, body) as (url, _):
        asked = Model("openai:gpt-5-mini", base_url=f"{url}/v1", environ=KEYS)
        assert away(asked).wait is None
        with pytest.raises(EditError, match="longer than"):
            asked.ask(Request("author", "repair", 7, "s", "c", (("a", "b"),)))


@pytest.mark.services
@pytest.mark.parametrize(("text", "variable", "error"), [
    ("anthropic:claude-haiku-4-5", "ANTHROPIC_API_KEY",
     {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}),
    ("google:gemini-2.5-flash", "GOOGLE_API_KEY", {"error": {"code": 401, "message": "bad", "status": "UNAUTHENTICATED"}}),
    ("openai:gpt-5-mini", "OPENAI_API_KEY", {"error": {"message": "bad", "code": "invalid_api_key"}}),
])
def test_each_provider_gets_its_own_key_and_its_refusal_names_the_variable(text, variable, error):
    with raw(401, error) as (url, seen):
        ended = away(Model(text, base_url=url, environ=KEYS))
    assert ended.wait is None and variable in str(ended)
    sent = json.dumps(seen[0][1])
    assert KEYS[variable] in sent and not any(k in sent for n, k in KEYS.items() if n != variable)


@pytest.mark.services
@pytest.mark.parametrize("text", ["server:any", "ollama:qwen3", "vllm:any"])
def test_no_key_of_a_provider_goes_to_another_server(text, monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with raw(429, {}) as (url, seen):
        away(Model(f"{text}@{url}/v1"))
    assert "Bearer none" in seen[0][1].values() and not any(value in json.dumps(seen[0][1]) for value in KEYS.values())


@pytest.mark.services
@pytest.mark.parametrize(("text", "body"), [
    ("anthropic:claude-haiku-4-5", {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}),
    ("google:gemini-2.5-flash", {"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}),
])
def test_no_library_tries_again_by_itself(text, body):
    with raw(429, body, [("Retry-After", "9")]) as (url, seen):
        ended = away(Model(text, base_url=url, environ=KEYS))
    assert 9 <= ended.wait <= 11.25 and len(seen) == 1


@given(st.integers(1, 10_000), st.integers(), st.none() | st.floats(allow_nan=True))
def test_a_wait_is_bounded_and_the_same_for_the_same_seed(row, seed, asked_for):
    assert 0 <= wait(row, seed, asked_for) <= 1.25 * model.ASKED_FOR
    assert wait(row, seed, asked_for) == wait(row, seed, asked_for)
    assert wait(row, seed) <= 1.25 * LONGEST_WAIT_SECONDS


def completion(message="hello", **more):
    """An answer of the protocol."""
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": message}}]} | more


@pytest.mark.services
@pytest.mark.parametrize("body", [
    b"[" * 100_000, b'{"a":' * 100_000, b'{"usage": {"prompt_tokens": ' + b"9" * 10_000 + b"}}", completion(choices="x"), completion(choices=[5]),
    completion(created=10**20), completion(created=-10**20),
    completion(choices=[{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "x", "input": "y"}}]}}]),
], ids=range(8))
def test_json_that_is_no_answer_is_a_failure_that_may_pass(body):
    with raw(200, body) as (url, _):
        ended = away(Model(f"server:any@{url}/v1"))
    assert ended.wait >= 2 and "cannot be read" in str(ended)


@pytest.mark.services
@pytest.mark.filterwarnings("ignore")  # the provider's library says that it does not believe it either
@pytest.mark.parametrize("usage", [(-10**9, -10**9), (5, -10**9), (10**30, 10**30)])
@pytest.mark.parametrize("cached", [0, -10**9, 10**12])
def test_what_a_server_counts_is_no_credit_and_can_be_written_down(usage, cached):
    said = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": 0, "prompt_tokens_details": {"cached_tokens": cached}}
    with raw(200, completion(usage=said)) as (url, _):
        answer = Model(f"server:any@{url}/v1", price=(1.0, 1.0)).ask(ASKED)
    assert min(answer.tokens_in, answer.tokens_out, answer.cached, answer.dollars or 0.0) >= 0
    assert answer.cached <= answer.tokens_in <= 10**9 and answer.tokens_out <= 10**9
    assert answer.counted == (answer.dollars is not None)
