"""The guard before pages and API: who may ask, from where, and how much. A small application stands behind it here."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from overnight.errors import TrackError
from overnight.web import guard, tokens
from overnight.web.guard import Guard
from overnight.web.tokens import Tokens, Tries
from web import BEARER, HOST, RECORD, TOKEN

NEEDS = "pure"
OURS = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}


async def told(request):
    return JSONResponse({"full": request.scope["full"], "body": len(await request.body())})


def asks(peer="127.0.0.1", base=f"http://{HOST}", **options):
    """A client of an application that tells what the guard said and let through."""
    where = guard.address(options.pop("host", "127.0.0.1"), 8765, options.pop("names", ()), options.pop("secure", False),
                          options.pop("proxies", ()))
    behind = Middleware(Guard, where=where, tokens=Tokens(RECORD))
    app = Starlette(routes=[Route("/{any:path}", told, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])], middleware=[behind])
    return TestClient(app, base_url=base, client=(peer, 50000))


def test_without_the_token_a_loopback_reader_sees_the_public_view_and_writes_nothing():
    ask = asks()
    assert ask.get("/api/v1/tracks").json() == {"full": False, "body": 0}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        done = ask.request(method, "/api/v1/tracks/x/ideas", headers=OURS)
        assert done.status_code == 401 and done.headers["content-type"] == "application/problem+json"
        assert set(done.json()) >= {"type", "title", "status", "detail"} and "token" in done.json()["detail"]


def test_with_the_token_or_a_cookie_for_it_everything_is_seen():
    ask, cookie = asks(), Tokens(RECORD).cookie()
    assert ask.get("/", headers=BEARER).json()["full"]
    assert ask.get("/", headers={"Cookie": f"overnight-8765={cookie}"}).json()["full"]
    assert not ask.get("/", headers={"Cookie": f"overnight-1={cookie}"}).json()["full"]  # another server's
    for wrong in (cookie[:-1] + "x", f"9{cookie}", cookie.partition(".")[2], ".", "٣.x", "1.", f"{int(cookie.partition('.')[0]) + 1}.x"):
        assert not ask.get("/", headers={"Cookie": f"overnight-8765={wrong}".encode()}).json()["full"], wrong


def test_a_cookie_that_was_taken_along_by_a_page_on_another_port_counts_for_nothing():
    cookie = {"Cookie": f"overnight-8765={Tokens(RECORD).cookie()}"}
    for site, full in (("same-origin", True), ("none", True), ("same-site", False), ("cross-site", False)):
        assert asks().get("/", headers=cookie | {"Sec-Fetch-Site": site}).json()["full"] is full


def test_a_cookie_ends_and_a_new_token_ends_all(monkeypatch):
    cookie = Tokens(RECORD).cookie()
    assert Tokens(RECORD).admits(cookie)
    assert not Tokens(tokens.TokenRecord(RECORD.token_sha256, "1" * 64)).admits(cookie)
    monkeypatch.setattr(tokens.time, "time", lambda: 1e11)
    assert not Tokens(RECORD).admits(cookie)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.example:8765", "",
                                  "localhost:8765@evil.example", "0.0.0.0:8765", "[::2]:8765", "127.0.0.1:8765, evil.example"])
def test_a_name_that_is_not_ours_is_refused_though_it_leads_here(host):
    assert asks().get("/", headers={"Host": host}).status_code == 421


def test_our_own_names_are_answered_and_those_that_the_user_gave():
    for host in (HOST, "localhost:8765", "LOCALHOST:8765", "[::1]:8765"):
        assert asks().get("/", headers={"Host": host}).status_code == 200
    assert asks(names=["lab.example"]).get("/", headers={"Host": "lab.example"}).status_code == 200


def test_two_hosts_are_none():
    assert asks().get("/", headers=[("Host", HOST), ("Host", HOST)]).status_code == 421


@pytest.mark.parametrize("headers", [
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:9999"}, {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"}, {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "cross-site"}, {"Origin": "http://localhost:8765"},
    {"Origin": f"http://{HOST}.evil.example"}, {"Origin": f"http://evil.example/{HOST}"}])
def test_a_write_that_another_page_sends_is_refused_with_cookie_and_with_token(headers):
    cookie = {"Cookie": f"overnight-8765={Tokens(RECORD).cookie()}"}
    assert asks().post("/x", headers=headers | cookie).status_code == 403
    assert asks().post("/x", headers=headers | BEARER).status_code == 403


def test_a_write_of_our_own_page_and_of_a_program_is_done():
    cookie = {"Cookie": f"overnight-8765={Tokens(RECORD).cookie()}"}
    for headers in (cookie | OURS, cookie | {"Origin": f"http://{HOST}"}, cookie | {"Sec-Fetch-Site": "same-origin"}, BEARER):
        assert asks().post("/x", headers=headers).status_code == 200
    assert asks().post("/x", headers=cookie).status_code == 403  # a form of long ago sends neither


def test_elsewhere_reading_needs_the_token_too_but_for_the_page_that_takes_it_and_its_files():
    far = asks(host="192.0.2.1", secure=True, base="https://192.0.2.1:8765")
    assert far.get("/api/v1/tracks").status_code == 401 == far.get("/t/x/").status_code
    assert far.get("/").status_code == 200 == far.get("/static/pages.js").status_code
    assert far.get("/api/v1/tracks", headers=BEARER).json()["full"]


def test_behind_a_proxy_every_reader_needs_the_token_and_nothing_else_connects():
    behind = {"proxies": ["10.0.0.2"], "names": ["lab.example"], "base": "https://lab.example"}
    assert asks("10.0.0.2", **behind).get("/api/v1/tracks").status_code == 401
    assert asks("10.0.0.2", **behind).get("/api/v1/tracks", headers=BEARER).status_code == 200
    assert asks("10.0.0.3", **behind).get("/api/v1/tracks", headers=BEARER).status_code == 403


def test_callers_that_guess_are_put_off_each_by_itself():
    ask = asks()
    tried = [ask.get("/", headers={"Authorization": f"Bearer {n}"}) for n in range(tokens.TRIES + 1)]
    assert [each.status_code for each in tried] == [401] * tokens.TRIES + [429]
    assert 0 < int(tried[-1].headers["retry-after"]) <= 61
    assert ask.get("/", headers=BEARER).status_code == 200
    counts = Tries()
    assert [counts.wrong("a") for _ in range(tokens.TRIES)] == [0] * tokens.TRIES and counts.wrong("a") and not counts.wrong("b")
    for n in range(3 * tokens.MOST_CALLERS):
        counts.wrong(str(n))
    assert len(counts._wrong) <= tokens.MOST_CALLERS


@pytest.mark.parametrize("path", ["/static/..%2f..%2fetc/passwd", "/t/x%2f..%2f", "/static/%2e%2e/app.py", "/a//b", "/a%5cb", "/a%00",
                                  "/t/%2E%2e/", "/a\\b"])
def test_paths_with_tricks_lead_nowhere(path):
    done = asks().request("GET", f"http://{HOST}{path}")
    assert done.status_code == 404, done.text


def test_large_bodies_are_refused_before_and_while_they_come():
    def endless():
        for _ in range(100):
            yield b"x" * 10_000

    ask = asks()
    assert ask.post("/x", headers=BEARER, content=b"x" * guard.MOST_BODY_BYTES).json()["body"] == guard.MOST_BODY_BYTES
    assert ask.post("/x", headers=BEARER, content=b"x" * (guard.MOST_BODY_BYTES + 1)).status_code == 413
    assert ask.post("/x", headers=BEARER, content=endless()).status_code == 413


def test_every_answer_bears_what_keeps_a_page_from_loading_sending_or_being_framed():
    ask = asks()
    for done in (ask.get("/"), ask.get("/", headers={"Host": "evil.example"}), ask.post("/x")):
        policy = done.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert done.headers["x-content-type-options"] == "nosniff" and done.headers["referrer-policy"] == "no-referrer"
        assert done.headers["cross-origin-opener-policy"] == done.headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in done.headers


# ---- the token -------------------------------------------------------------------------------------------------


def test_the_token_is_shown_once_and_kept_as_its_hash_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    kept, text = tokens.kept()
    assert kept.fits(text) and not kept.fits(text[:-1]) and len(text) == 43
    path = tokens.place()
    assert path.stat().st_mode & 0o777 == 0o600 and text not in path.read_text(encoding="utf-8")
    again, none = tokens.kept()
    assert none == "" and again.fits(text)
    new, other = tokens.kept(anew=True)
    assert other != text and new.fits(other) and not new.fits(text)


def test_a_token_file_that_others_may_read_or_that_is_damaged_is_refused_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    tokens.kept()
    tokens.place().chmod(0o644)
    with pytest.raises(TrackError, match="not yours alone"):
        tokens.kept()
    tokens.place().chmod(0o600)
    tokens.place().write_bytes(b"{")
    with pytest.raises(TrackError, match="damaged"):
        tokens.kept()
    tokens.place().unlink()
    tokens.place().symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrackError, match="cannot be read"):
        tokens.kept()
    assert TOKEN
