"""`overnight serve` as its user meets it: a real server, real connections, a real night."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from bench import long
from conftest import LITTLE, command, home, overnight, repository, sentence
from overnight.web import openapi, server
from overnight.web.server import Wanted, opened

NEEDS = "night"
ENDLESS = {"run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.05)\n", "program.md": "---\nresearchers: [knobs, placebo]\n---\n"}
NONE = ("--sandbox", "none")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
STREAM = "followTrack"  # which never ends


class Ask:
    """A client of one server."""

    def __init__(self, port, token):
        self.port, self.token = port, token

    def __call__(self, method, path, body=None, token=True, **headers):
        """(status, headers, text) of a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"Authorization": f"Bearer {self.token}"} if token else {}
        given |= {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, None if body is None else json.dumps(body), given | headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()


@contextmanager
def serving(*folders):
    """A server in a thread of this process."""
    found = opened(folders, Wanted(port=0, new_token=True))
    thread = threading.Thread(target=found.server.run, kwargs={"sockets": [found.socket]})
    thread.start()
    ask = Ask(found.socket.getsockname()[1], found.token)
    try:
        ready(ask)
        yield ask
    finally:
        found.server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def ready(ask):
    for _ in range(600):
        try:
            if json.loads(ask("GET", "/api/v1/tracks")[2])[0]["seq"] >= 0:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("it does not answer")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    session = long.write(tmp_path_factory.mktemp("serve") / "long", 40, hostile=True)
    long.audited(session)
    with serving(session.repo.folder) as ask:
        yield ask


# ---- the description is true -----------------------------------------------------------------------------------

DESCRIPTION = schemathesis.openapi.from_dict(json.loads(openapi.description()))
OPERATIONS = [found.ok() for found in DESCRIPTION.get_all_operations()]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fit", "unfit"])
@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.definition.raw["operationId"] != STREAM],
                         ids=lambda each: each.definition.raw["operationId"])
def test_whatever_is_asked_is_answered_as_the_description_says(served, operation, mode):
    """No answer of it is a failure of the server, and none is of a kind that is not described."""
    @settings(max_examples=8, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        if "track" in (case.path_parameters or {}) and mode is GenerationMode.POSITIVE:
            case.path_parameters["track"] = "long"
        case.headers.pop("Authorization", None)
        answer = case.call(base_url=f"http://127.0.0.1:{served.port}", headers={"Authorization": f"Bearer {served.token}"})
        case.validate_response(answer, checks=CHECKS)

    try:
        ask()
    except Exception as error:
        if "Unsatisfiable" in type(error).__name__ or "Impossible to generate" in str(error) or "SkipTest" in type(error).__name__:
            return  # nothing that does not fit can be sent there
        raise


# ---- the command -----------------------------------------------------------------------------------------------


@contextmanager
def running(*arguments, **options):
    """A command in a process of its own, with what it says on standard error read until it serves."""
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **options)
    said = []
    try:
        while line := process.stderr.readline():
            said.append(line)
            if "serving http" in line:
                break
        yield process, "".join(said)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def free():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    return repository(tmp_path_factory.mktemp("night") / "little", LITTLE | ENDLESS)


def test_a_night_is_followed_and_steered_from_a_page_that_outlives_it(endless):
    port = free()
    with running("serve", endless, "--port", port, "--token-new") as (server, said):
        ask = Ask(port, re.search(r"#token=(\S+)", said)[1])
        ready(ask)
        assert "Nothing was run here yet" in ask("GET", "/t/little/")[2]
        night = subprocess.Popen(command("run", endless, "--workers", 1, *NONE), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        T = "/api/v1/tracks/little"
        try:
            assert until(lambda: json.loads(ask("GET", f"{T}/experiments?verdict=keep")[2]).get("items"))
            stream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            stream.request("GET", f"{T}/events")
            lines = stream.getresponse()
            assert lines.headers["content-type"].startswith("text/event-stream")
            assert until(lambda: lines.readline().startswith(b"event: "))
            assert json.loads(ask("GET", "/api/v1/tracks")[2])[0]["live"]
            jobs = json.loads(ask("GET", f"{T}/jobs", token=False)[2])
            assert jobs["live"] and "seed" not in json.dumps(jobs)
            assert ask("POST", f"{T}/orders", {"order": "pause"}, token=False)[0] == 401
            assert became(ask, ask("POST", f"{T}/orders", {"order": "pause"})) == 200
            assert json.loads(ask("GET", T)[2])["paused"]
            assert became(ask, ask("POST", f"{T}/ideas", {"title": "Turn X by a half"})) == 200
            assert became(ask, ask("POST", f"{T}/orders", {"order": "stop"})) == 200
            assert night.wait(60) == 0
        finally:
            night.kill()
            night.wait()
        assert until(lambda: not json.loads(ask("GET", "/api/v1/tracks")[2])[0]["live"])
        assert ask("GET", "/t/little/")[0] == 200
        server.send_signal(signal.SIGINT)
        lines.read()  # the stream ends
        stream.close()
        assert server.wait(10) in (0, -signal.SIGINT)


def until(holds, seconds=90.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    return False


def became(ask, answer):
    """The status of an order's answer when it is not waiting any more."""
    assert answer[0] == 202, answer
    return until(lambda: (status := ask("GET", answer[1]["location"])[0]) != 202 and status)


@pytest.mark.parametrize(("arguments", "said"), [
    (["--host", "0.0.0.0"], "every address at once"), (["--host", "192.0.2.77"], "cannot be listened at"),
    (["--tls-cert", __file__], "belong together"), (["--tls-cert", __file__, "--tls-key", __file__], "PEM"),
    (["--trusted-proxy", "the-proxy"], "no address")])
def test_what_is_refused_at_the_start_is_a_sentence(endless, arguments, said):
    done = overnight("serve", endless, "--port", free(), *arguments)
    assert said in sentence(done)


def test_an_address_of_other_machines_needs_tls_or_a_proxy(endless):
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        pytest.skip("this machine has no address but its own")
    assert "--tls-cert" in sentence(overnight("serve", endless, "--host", own, "--port", free()))


def test_a_port_in_use_and_a_folder_without_a_track_are_sentences(endless, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        assert "take another one with --port" in sentence(overnight("serve", endless, "--port", sock.getsockname()[1]))
    assert sentence(overnight("serve", tmp_path, "--port", free()))


def test_a_connection_that_never_ends_its_request_is_closed_and_a_stream_goes_on(served, monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.5)
    following = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    following.request("GET", "/api/v1/tracks/long/events")
    stream = following.getresponse()
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as slow, \
            socket.create_connection(("127.0.0.1", served.port), timeout=30) as mute:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        assert slow.recv(100) == b"" and mute.recv(100) == b""
    assert stream.readline() == b"retry: 2000\n" and stream.status == 200
    following.close()


def test_it_is_there_within_a_second_of_the_processor(endless):
    with running("serve", endless, "--port", free()) as (process, _):
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        assert used < 1.5, used
        assert until(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == 10)  # the night comes first


def test_a_night_brings_its_page_along_and_leaves_it_there(endless):
    port = free()
    done = subprocess.run(command("run", endless, "--experiments", 1, "--web", port, *NONE), capture_output=True, text=True, timeout=200)
    process = int(re.search(r"`kill (\d+)` ends it", done.stderr)[1])
    try:
        assert done.returncode == 0 and f"serving http://127.0.0.1:{port}/" in done.stderr
        assert Ask(port, "")("GET", "/t/little/", token=False)[0] == 200
        assert "token=" not in (home(endless) / "web.log").read_text()
    finally:
        os.kill(process, signal.SIGTERM)
    again = subprocess.run(command("run", endless, "--experiments", 1, "--web", port, *NONE), capture_output=True, text=True, timeout=200)
    if found := re.search(r"`kill (\d+)` ends it", again.stderr):
        os.kill(int(found[1]), signal.SIGTERM)
    assert again.returncode == 0
