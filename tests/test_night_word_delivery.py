"""The night's word on its way: apprise and a service that is up, down, slow, silent; hooks that hang, fork, write without an end."""

import base64
import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from overnight.night.word import processes
from overnight.night.word.couriers import Courier, Post, ask
from overnight.night.word.happenings import Happening
from overnight.night.word.hooks import LOG, MOST_LOG_BYTES, MOST_OUTPUT_BYTES, Hooks, environment
from overnight.night.word.letters import Letter
from overnight.night.word.places import Address
from overnight.night.word.send import Order

NEEDS = "services"
LETTER = Letter("long: 1 kept", "#3 keep: Warm up longer")
EVENT = Happening("verdict", 1.0, "long", "#3 keep: Warm up longer", 7, "val_bpb", "bits/byte", 3, "keep", 0.013, (0.009, 0.017), "c3")


class Service:
    """A service that takes messages as JSON: `status` is what it answers after so many `seconds`."""

    def __init__(self, status=200, seconds=0.0):
        self.status, self.seconds, self.got = status, seconds, []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(service.seconds)
                service.got.append((self.path, said))
                self.send_response(service.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words):
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"json://127.0.0.1:{self.server.server_port}/secret-token"


@pytest.fixture
def service():
    made = []

    def make(*given):
        made.append(Service(*given))
        return made[-1]

    yield make
    for each in made:
        each.server.shutdown()
        each.server.server_close()


@pytest.fixture
def silent():
    """The address of a service that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"json://127.0.0.1:{listener.getsockname()[1]}/secret-token?rto=60"


@pytest.fixture
def down():
    """An address at which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return f"json://127.0.0.1:{port}/secret-token"


# ---- messages --------------------------------------------------------------------------------------------------


def test_a_message_arrives_with_its_picture(service, tmp_path):
    there, picture = service(), tmp_path / "progress.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 100)
    assert ask(Order(there.url, LETTER.title, LETTER.body, str(picture)), os.environ).sent
    (path, said), = there.got
    assert path == "/secret-token" and (said["title"], said["message"]) == (LETTER.title, LETTER.body)
    assert base64.b64decode(said["attachments"][0]["base64"]) == picture.read_bytes()


def test_without_a_title_nothing_is_sent_and_the_address_is_looked_at(service):
    there = service()
    assert ask(Order(there.url), os.environ).sent and not there.got
    assert ask(Order("nosuchscheme://x"), os.environ).why == "apprise does not know such an address"


def test_a_service_that_refuses_is_said_by_its_number_and_no_address_is(service):
    answer = ask(Order(service(503).url, "a", "b"), os.environ)
    assert not answer.sent and answer.why == "it answered 503"


def test_a_service_that_is_down_is_said(down):
    answer = ask(Order(down, "a", "b"), os.environ)
    assert not answer.sent and answer.why == "it cannot be reached"


def test_a_service_that_never_answers_is_left_at_the_deadline(silent):
    began = time.monotonic()
    answer = ask(Order(silent, "a", "b"), os.environ, deadline=6.0)
    assert not answer.sent and answer.why == "it did not answer within 6 s" and time.monotonic() - began < 9


def test_a_message_that_failed_is_sent_again_and_said_once(service):
    there, notes = service(500), []
    courier = Courier(Address(there.url), os.environ, notes.append, pauses=(0.1, 0.1, 0.1))
    courier.worker.put((LETTER, ""))
    while len(there.got) < 2:
        time.sleep(0.05)
    there.status = 200
    courier.worker.close(20.0)
    assert 3 <= len(there.got) <= 4 and len(notes) == 1
    assert notes == ["a message to json://… was not sent: it answered 500. It is tried again; the night goes on."]


def test_a_service_that_is_silent_holds_up_neither_the_others_nor_the_night(service, silent, tmp_path):
    there, notes = service(), []
    post = Post([Address(silent), Address(there.url)], tmp_path, "", os.environ, notes.append)
    began = time.monotonic()
    for _ in range(100):
        post.put(LETTER)
    assert time.monotonic() - began < 0.2
    while not there.got:
        assert time.monotonic() - began < 20
        time.sleep(0.05)
    closed = time.monotonic()
    post.close(3.0)
    assert time.monotonic() - closed < 8 and not [thread for thread in threading.enumerate() if "notify json" in thread.name]


def test_where_no_chart_can_be_drawn_the_message_goes_without(service, tmp_path):
    there = service()
    post = Post([Address(there.url)], tmp_path, "", os.environ, print)
    post.put(Letter("a", "b", picture=True))
    post.close(30.0)
    assert [said["attachments"] for _, said in there.got] == [[]]


# ---- programs with a deadline ----------------------------------------------------------------------------------


def ran(code, given=b"", deadline=5.0, most=1000):
    """A piece of Python, run so."""
    return processes.run([sys.executable, "-c", code], given, {"PATH": os.defpath}, deadline, most)


def test_a_program_gets_its_input_and_its_output_is_cut():
    done = ran("import sys; print(len(sys.stdin.read())); print('x' * 10**6)", b"a" * 300_000)
    assert done.status == 0 and done.output.startswith(b"300000\n") and len(done.output) == 1000


def test_a_program_that_reads_nothing_is_no_error():
    assert ran("pass", b"a" * 300_000).status == 0


def test_a_program_that_hangs_is_killed_with_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    code = (f"import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork(); os.fork();"
            f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(60)")
    began = time.monotonic()
    assert ran(code, deadline=2.0).status is None and time.monotonic() - began < 5
    assert_gone(pids, 4)


def assert_gone(pids, count):
    """None of these processes is left."""
    numbers = [int(line) for line in pids.read_text().split()]
    assert len(numbers) == count
    until = time.monotonic() + 5
    while any(alive(number) for number in numbers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [number for number in numbers if alive(number)]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_that_leaves_others_behind_with_its_output_open_holds_up_nothing(tmp_path):
    pids = tmp_path / "pids"
    code = (f"import os, time\nif os.fork() == 0:\n open({str(pids)!r}, 'w').write(str(os.getpid()))\n time.sleep(60)\n"
            f"while not os.path.exists({str(pids)!r}): time.sleep(0.01)\ntime.sleep(0.1)")
    began = time.monotonic()
    assert ran(code, deadline=20.0).status == 0 and time.monotonic() - began < 5
    assert_gone(pids, 1)


def test_a_program_runs_at_nice_10_and_in_the_root_folder():
    assert ran("import os, time; time.sleep(0.2); print(os.nice(0), os.getcwd())").output == b"10 /\n"


# ---- hooks -----------------------------------------------------------------------------------------------------


def hook(folder, code, name="hook"):
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o700)
    return path


def told(tmp_path, codes, events=(EVENT,), deadline=5.0, wait=20.0, environ=None):
    """Run hooks on events; the notes and the log."""
    notes = []
    hooks = Hooks([hook(tmp_path, code, f"hook-{n}") for n, code in enumerate(codes)], tmp_path, environ or {"PATH": os.defpath},
                  notes.append, deadline)
    for event in events:
        hooks.put(event)
    hooks.close(wait)
    return notes, (tmp_path / LOG).read_text() if (tmp_path / LOG).exists() else ""


def test_a_hook_gets_the_event_as_json(tmp_path):
    notes, log = told(tmp_path, [f"import sys, shutil; shutil.copyfileobj(sys.stdin, open({str(tmp_path / 'got')!r}, 'a'))"],
                      [EVENT, Happening("end", 2.0, "long", "the time is over", 9)])
    first, second = map(json.loads, (tmp_path / "got").read_text().splitlines())
    assert first == {"event": "verdict", "at": 1.0, "track": "long", "text": "#3 keep: Warm up longer", "seq": 7, "metric": "val_bpb",
                     "unit": "bits/byte", "experiment": 3, "verdict": "keep", "effect": 0.013, "interval": [0.009, 0.017],
                     "commit": "c3", "format": 1}
    assert second["event"] == "end" and second["experiment"] is None and not notes and not log


def test_events_come_in_order_and_to_one_hook_after_the_other(tmp_path):
    code = f"import sys, json; open({str(tmp_path / 'got')!r}, 'a').write(f\"{{sys.argv[0][-1]}}{{json.load(sys.stdin)['seq']}} \")"
    events = [Happening("fault", 1.0, "long", "x", seq) for seq in range(5)]
    told(tmp_path, [code, code], events, wait=60.0)
    assert (tmp_path / "got").read_text().split() == [f"{n}{seq}" for seq in range(5) for n in range(2)]


def test_a_hook_that_fails_is_a_note_once_and_a_line_each_time(tmp_path):
    notes, log = told(tmp_path, ["print('\\x1b[31mno luck'); raise SystemExit(1)"], [EVENT] * 3)
    assert len(notes) == 1 and notes[0].startswith("the hook hook-0 ended with status 1; the night goes on")
    assert log.count("hook-0 ended with status 1 (verdict #3)") == 3 and log.count("\n  no luck\n") == 3 and "\x1b" not in log


def test_a_hook_that_hangs_is_killed_and_the_next_one_runs(tmp_path):
    notes, log = told(tmp_path, ["import time; time.sleep(60)", "print('here')"], deadline=1.0)
    assert "hook-0 was killed after 1 s" in notes[0] and "hook-1 wrote" in log and "here" in log


def test_a_hook_that_cannot_be_started_is_a_note(tmp_path):
    path = tmp_path / "hook-0"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o700)
    notes = []
    hooks = Hooks([path], tmp_path, {}, notes.append)
    hooks.put(EVENT)
    hooks.close(10.0)
    assert "cannot be started" in notes[0]


def test_a_hook_that_writes_without_an_end_fills_no_disk(tmp_path):
    notes, log = told(tmp_path, ["import os\nwhile True: os.write(1, b'garbage \\xff\\x00\\x1b[2J' * 1000)"], [EVENT] * 2, deadline=0.5)
    assert notes and len(log) < 3 * MOST_OUTPUT_BYTES and "\x1b" not in log
    (tmp_path / LOG).write_text("x" * (MOST_LOG_BYTES + 1))
    told(tmp_path, ["print('new')"])
    assert (tmp_path / LOG).stat().st_size < 1000 and (tmp_path / f"{LOG}.1").exists()


def test_a_hook_gets_no_key(tmp_path):
    environ = {"PATH": os.defpath, "ANTHROPIC_API_KEY": "secret", "OVERNIGHT_NOTIFY": "slack://secret", "LANG": "C.UTF-8"}
    told(tmp_path, [f"import os; open({str(tmp_path / 'env')!r}, 'w').write(repr(dict(os.environ)))"], environ=environ)
    assert "secret" not in (tmp_path / "env").read_text() and "verdict" in (tmp_path / "env").read_text()
    assert environment(environ).keys() == {"PATH", "LANG", "OVERNIGHT_EVENT"}


def test_hooks_that_hang_hold_up_no_end(tmp_path):
    began = time.monotonic()
    told(tmp_path, ["import time; time.sleep(60)"], [EVENT] * 100, deadline=10.0, wait=0.5)
    assert time.monotonic() - began < 5
