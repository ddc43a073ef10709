"""What is read in the output of a program that is met for the first time, and what names of numbers tell."""

import math
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.errors import TrackError
from overnight.execution.metrics import Invalid, self_reported
from overnight.night import programs
from overnight.patterns import compiled
from overnight.track import runners, spec
from overnight.track.contact import names, numbers, project
from overnight.track.spec import Metric

KARPATHY = """---
val_bpb:          0.997900
training_seconds: 300.1
total_seconds:    325.9
peak_vram_mb:     45060.2
mfu_percent:      39.80
total_tokens_M:   499.6
num_steps:        953
num_params_M:     50.3
depth:            8
"""
PYTEST = """\
test_near   170.1745  252.7211
{
    "machine_info": {
        "node": "vm"
    },
    "benchmarks": [
        {
            "name": "test_near",
            "fullname": "benchmarks/test_a.py::test_near",
            "extra_info": {},
            "stats": {
                "min": 0.5,
                "max": 0.75
            }
        },
        {
            "name": "test_far",
            "fullname": "benchmarks/test_a.py::test_far",
            "extra_info": {},
            "stats": {
                "min": 0.25,
                "max": 0.375
            }
        }
    ]
}
"""
OUTPUTS = [  # an output, the number that is the likeliest in it, and its value
    ("val_acc: 74.53%", "val_acc", 74.53),
    ("val_loss: 1.26, val_acc: 0.7\n", "val_loss", 1.26),
    ("latency_ms: 1.25ms", "latency_ms", 1.25),
    ("cost: 1,234.5", "cost", 1234.5),
    ("Total cost: 1,234,567.89 USD", "Total cost", 1234567.89),
    ("cost: 1,234.5, time 3s", "cost", 1234.5),
    ("loss: 1.25±0.01", "loss", 1.25),
    ("score: 1.25 +/- 0.01", "score", 1.25),
    ("step 60: train loss 1.5, val loss 1.6\nstep 120: train loss 1.4, val loss 1.5", "val loss", 1.5),
    ("epoch 3 | val_loss 0.5\nepoch 4 | val_loss 0.4", "val_loss", 0.4),
    ("INFO:root:val_loss: 1.25", "val_loss", 1.25),
    ("2026-01-01 12:00:00,123 - INFO - val_loss: 1.25", "val_loss", 1.25),
    ("[2026-01-01 12:00:00] INFO val_loss=1.25", "val_loss", 1.25),
    ("2026-01-01 12:00:00.123 | INFO | main:train:12 - accuracy = 0.93", "accuracy", 0.93),
    ("Makespan: 12", "Makespan", 12),
    ("METRIC val_loss=0.5", "val_loss", 0.5),
    ('{"epochs": 10, "val_loss": 0.5}', "val_loss", 0.5),
    ('{\n  "val_loss": 0.5,\n  "lr": 0.9\n}', "val_loss", 0.5),
    ('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.5}', "loss", 1.5),
    ("{'epochs': 3, 'accuracy': 0.8}", "accuracy", 0.8),
    ("Test set: Average loss: 0.0423, Accuracy: 9862/10000 (99%)", "Test loss", 0.0423),
    ("Epoch 3/10 - loss: 0.5 - val_loss: 0.4\nEpoch 4/10 - loss: 0.4 - val_loss: 0.3", "val_loss", 0.3),
    ("Epoch [3/10], Loss: 0.5, Val Loss: 0.6", "Val Loss", 0.6),
    ("Train: loss 0.5 acc 0.9 | Val: loss 0.6", "Val loss", 0.6),
    ("top-1 (%): 74.5", "top-1 (%)", 74.5),
    ("Recall@10: 0.4", "Recall@10", 0.4),
    ("R^2: 0.83", "R^2", 0.83),
    ("Accuracy of the network: 54 %", "Accuracy of the network", 54),
    ("The final accuracy is 0.93.", "accuracy", 0.93),
    ("Iteration 5 done. Loss = 0.123456", "Loss", 0.123456),
    ("Elapsed: 3.2 s", "Elapsed", 3.2),
    ("Throughput: 1234.5 tokens/s", "Throughput", 1234.5),
    ("BenchmarkSum-8   \t 1000000\t      1052 ns/op", "BenchmarkSum", 1052),
    ("| accuracy | 0.95 |", "accuracy", 0.95),
    ("accuracy    0.95", "accuracy", 0.95),
    ("f1\t0.8", "f1", 0.8),
    (KARPATHY, "val_bpb", 0.9979),
    ("iter 100: loss 2.3, time 45.2ms, mfu 3.1%", "loss", 2.3),
    ("Final score -> 0.5", "score", 0.5),
    ("val_loss 1.0 (best 0.9)", "val_loss", 1.0),
    ("\x1b[32mloss: 0.5\x1b[0m", "loss", 0.5),
    ("loss=1.5,lr=2.0", "loss", 1.5),
    ("Validation loss: 3.2e-05", "Validation loss", 3.2e-5),
    ("step=10 loss=3.0 val_ppl=20.1", "val_ppl", 20.1),
    ("10%|# | 1/10 [00:01<00:09, loss=0.5]\r 20%|## | 2/10 [00:02<00:08, loss=0.4]", "loss", 0.4),
    ("epoch 1 val_loss: 0.5\nepoch 2 val_loss: nan", "val_loss", math.nan),
    ("speedup: 1.53x", "speedup", 1.53),
    ("makespan: 12\nReturn code: 0", "makespan", 12),
    ("val_loss_epoch: 0.3\ntrain_loss_step: 0.2", "val_loss_epoch", 0.3),
    (PYTEST, "test_far seconds", 0.25),
    ("Benchmark 1: ./sort\n  Time (mean ± σ):     303.0 ms ±   0.8 ms    [User: 1.1 ms, System: 1.3 ms]\n"
     "  Range (min … max):   302.1 ms … 304.4 ms    10 runs\n", "Time (mean ± σ)", 303.0),
    ("1000 loops, best of 5: 245 nsec per loop", "time", 245), ("sort: Mean +- std dev: 12.3 us +- 0.4 us", "Mean +- std dev", 12.3),
    ("test bench_add ... bench:       1,254.18 ns/iter (+/- 12.30)", "bench_add", 1254.18),
    ("sort_vec                time:   [1.2340 ms 1.2500 ms 1.2700 ms]\n   change: [-1.2% +0.1% +1.3%] (p = 0.84 > 0.05)", "sort_vec", 1.25),
    ("BM_Sort/1024        12345 ns        12300 ns        56789", "BM_Sort/1024", 12300),
]


@pytest.mark.parametrize(("output", "name", "value"), OUTPUTS, ids=[output[:40] for output, _, _ in OUTPUTS])
def test_the_likeliest_number_is_found_and_its_pattern_reads_it_as_a_night_does(output, name, value):
    best = numbers.ranked(numbers.found(output))[0]
    assert best.name == name and (best.values[-1] == value or math.isnan(value))
    metric = Metric("x", "minimize", source="output", pattern=best.pattern, pick=best.pick or "only")
    if math.isnan(value):
        with pytest.raises(Invalid, match="is nan"):
            self_reported(metric, output.encode())
    else:
        assert self_reported(metric, output.encode()) == value


@pytest.mark.parametrize("output", [
    "", "hello", "step 3\n", "2026-01-01 12:00:00", "version 1.2.3", "num_params: 3\nseed: 1", "lr: 0.1, batch size: 3",
    "total_seconds: 3.1\npeak memory: 300 MB", "Return code: 0", "exit status: 1\nerror code: 3", "\x00\xff: 3", ": 3", "epoch: 1\nepoch: 2"])
def test_bookkeeping_and_dates_are_no_result(output):
    assert not [each for each in numbers.ranked(numbers.found(output)) if names.direction(each.name, each.unit)]


@given(st.text(alphabet="ab: =,|0123.%-+[]{}()\"'\n\t_/e", max_size=120))
def test_whatever_is_printed_each_pattern_gives_what_was_found(text):
    for each in numbers.found(text):
        got = [spec_printed(match[1]) for match in compiled(each.pattern, lines=True).finditer(numbers.plain(text))]
        assert tuple(got) == each.values


@pytest.mark.parametrize("line", [" " * 590 + "x 1", "a" + " " * 580 + "b= 1", ": " * 299 + "1", "the " * 149 + "x 1", "1,111" * 120 + "_", "a 1 " * 150,
                                  "INFO " * 110 + "x 1", "= [" * 190 + "x=1", '"a' * 290 + '"x": 1', "1" * 590 + "_"])
def test_what_is_printed_to_keep_its_reader_busy_is_read_in_a_time_that_grows_with_it_alone(line):
    begun = time.process_time()
    numbers.found("\n".join([line] * (65536 // len(line))))
    assert time.process_time() - begun < 3  # of the first, three lines took 0.7 s when its time grew with the cube of a line


@pytest.mark.parametrize(("line", "other"), [("Time (mean):  990.1 ms ± 1 ms", "Time (mean):  1.01 s ± 0.01 s"), ("took 12 us", "took 1.2 ms"),
                                             ("elapsed: 12ms", "elapsed: 1.2s")])
def test_a_time_in_another_unit_is_not_taken_for_one_in_this(line, other):
    found = numbers.ranked(numbers.found(line))[0]
    assert compiled(found.pattern, lines=True).search(line) and not compiled(found.pattern, lines=True).search(other)
    assert not [each for each in numbers.ranked(numbers.found(f"{line}\n{other}")) if len(each.values) > 1]


HYPERFINE = """{
  "results": [
    {
      "command": "python sort.py --n 3",
      "mean": 0.3024,
      "stddev": 0.0004,
      "median": 0.3025,
      "user": 0.001,
      "min": 0.302,
      "max": 0.303,
      "times": [
        0.302
      ]
    }
  ]
}"""


def test_the_file_of_hyperfine_is_read():
    (found,) = numbers.found(HYPERFINE)
    assert (found.name, found.values, found.unit, names.direction(found.name)) == ("python sort.py --n 3 seconds", (0.302,), "s", "minimize")


def test_the_table_of_pytest_benchmark_is_not_read_for_its_unit_differs_from_run_to_run():
    row = "test_sort    {}     20.1000   1.5000    0.2000    1.4000  0.1000   5;10  666.6667  100  10\n"
    table = f"{'-' * 20} benchmark: 1 tests {'-' * 20}\nName (time in us)   Min   Max   Mean\n{'-' * 60}\n{row.format('1.23')}{'-' * 60}\n\nLegend:\n  Outliers: 1\n"
    assert [each.name for each in numbers.found(f"loss: 3\n{table}")] == ["loss", "Outliers"]


def test_of_an_output_without_end_the_end_is_read():
    best = numbers.ranked(numbers.found("".join(f"step {n}: val_loss = {1 / (n + 1):.4f}\n" for n in range(20_000))))[0]
    assert (best.name, best.pick, len(best.values)) == ("val_loss", "last", 20_000)


def test_of_names_without_end_the_first_are_taken_quickly():
    begun = time.process_time()
    found = numbers.found("\n".join(f"a{n} 1 b{n} 2 c{n} 3" for n in range(4000)))
    assert len(found) <= numbers.MOST_FOUND and time.process_time() - begun < 3


def spec_printed(text):
    return float(text.replace(",", ""))


@pytest.mark.parametrize(("said", "all_"), [
    ("minimize", "loss val_loss reward_model_loss f1_loss acc_loss auc_loss accuracy_error error_rate log_loss crossEntropy "
     "mean_squared_error RMSE val_time latency perplexity eval/ppl wer miss_rate time_per_step ns_per_op brier_score "
     "neg_log_likelihood hamming_loss p99 regret makespan total_cost top1_error compressed_size"),
    ("maximize", "accuracy val_acc r2 R^2 mIoU recall precision ndcg@10 mAP50 fps win_rate hit_rate PSNR sharpe log_prob speedup "
     "throughput profit tokens_per_second tokens/s top-1 f1-score roc_auc mean_reward elo success_rate neg_mean_squared_error "
     "Top-5_Accuracy log_likelihood exact_match bleu4 improvement GFLOPS"),
    (None, "return_code exit_code exitCode http_status error_status widgets x energy value result temperature objective"),
])
def test_the_direction_follows_from_the_name_or_is_not_known(said, all_):
    assert {name: names.direction(name) for name in all_.split()} == dict.fromkeys(all_.split(), said)


@pytest.mark.parametrize(("name", "unit", "values", "bounds"), [
    ("accuracy", "", [0.5], (0, 1)), ("accuracy", "%", [0.5], (0, 100)), ("val_acc", "", [74.5], (0, 100)), ("f1-score", "", [0], (0, 1)), ("score", "", [3], None),
    ("loss", "", [1.5], (0, math.inf)), ("policy_loss", "", [-0.2], None), ("mse", "", [0], (0, math.inf)), ("reward", "", [3], None),
    ("r2", "", [0.5], None), ("correlation", "", [-0.5], (-1, 1)), ("ppl", "", [20], (1, math.inf)), ("latency", "ms", [3], (0, math.inf)),
    ("Hits", "", [37], None), ("Hits", "", [0], None), ("Hits", "%", [37], (0, 100)), ("hit_rate", "", [0.4], (0, 1)), ("win", "", [4], None),
    ("success", "", [12], None), ("em", "", [1], None), ("em (%)", "", [5], (0, 100)), ("coverage", "", [30.5], None), ("accuracy", "", [93], None),
    ("nll", "", [1.2], None), ("neg_mse", "", [-1.2], None), ("accuracy", "", [], None)])
def test_the_range_follows_from_the_name_where_it_holds(name, unit, values, bounds):
    assert names.possible(name, values, unit) == bounds


# ---- which of several counts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pick", "value"), [("last", 0.4), ("min", 0.3), ("max", 0.9)])
def test_one_of_several_is_picked(pick, value):
    metric = Metric("loss", "minimize", source="output", pattern=r"^loss (\S+)", pick=pick)
    assert self_reported(metric, b"loss 0.9\nloss 0.3\nloss 0.4\n") == value


def test_a_number_that_is_not_finite_is_neither_least_nor_largest_and_never_passed_over_at_the_end():
    metric = Metric("loss", "minimize", source="output", pattern=r"^loss (\S+)", pick="min")
    assert self_reported(metric, b"loss nan\nloss 0.3\nloss inf\n") == 0.3
    with pytest.raises(Invalid, match="no finite number"):
        self_reported(metric, b"loss nan\nloss inf\n")
    with pytest.raises(Invalid, match="is nan"):
        self_reported(Metric("loss", "minimize", source="output", pattern=r"^loss (\S+)", pick="last"), b"loss 0.3\nloss nan\n")


def test_several_without_a_pick_say_how_to_choose():
    with pytest.raises(Invalid, match='2 times, not once: print it once, or say which counts with `pick = "last"`'):
        self_reported(Metric("loss", "minimize", source="output", pattern=r"^loss (\S+)"), b"loss 1\nloss 2\n")


def test_a_group_that_takes_a_sign_as_well_is_told_what_to_change():
    with pytest.raises(Invalid, match=re.escape("'74.53%', not a number: let the group of the pattern end before '%'")):
        self_reported(Metric("acc", "maximize", source="output", pattern=r"^acc (\S+)"), b"acc 74.53%\n")


def test_a_pick_without_a_pattern_is_refused():
    text = '[track]\nname = "x"\neditable = ["a"]\n[metric]\nname = "wall_seconds"\ndirection = "minimize"\npick = "last"\n[run]\ncommand = ["a"]\n'
    with pytest.raises(TrackError, match="only read with from"):
        spec.parse(text)


# ---- layouts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("texts", "command"), [
    ({"train.py": "print(1)", "main.py": "print(1)"}, ("python", "train.py")),
    ({"utils.py": "print(1)", "src/train.py": "print(1)"}, ("python", "utils.py")),
    ({"helper.py": "x = 1", "src/train.py": "print(1)"}, ("python", "src/train.py")),
    ({"p/__init__.py": "", "p/__main__.py": "print(1)"}, ("python", "-m", "p")),
    ({"src/p/__init__.py": "", "src/p/q/__init__.py": "", "src/p/q/train.py": "print(1)"}, ("env", "PYTHONPATH=src", "python3", "-m", "p.q.train")),
    ({"main.py": "from p import f\nprint(f)", "src/p/__init__.py": ""}, ("env", "PYTHONPATH=src", "python3", "main.py")),
    ({"Cargo.toml": "", "src/main.rs": "fn main() {}"}, ("cargo", "run", "--release", "--quiet", "--offline")),
    ({"go.mod": "", "main.go": "package main\n"}, ("go", "run", ".")),
    ({"go.mod": "", "a.go": "package a\n", "a_test.go": "func BenchmarkA(b *testing.B) {}"},
     ("go", "test", "-run", "^$", "-bench", ".", "./...")),
    ({"package.json": '{"scripts": {"start": "node ./main.js --fast"}}', "main.js": ""}, ("node", "./main.js", "--fast")),
    ({"package.json": '{"scripts": {"bench": "tsc && node x.js"}}'}, ("sh", "-c", "tsc && node x.js")),
    ({"package.json": "[]", "index.js": ""}, ("node", "index.js")),
    ({"Makefile": "all:\n\tcc x.c\nbench: all\n\t./a.out\n", "x.c": "int main() {}"}, ("make", "-s", "bench")),
    ({"a.cpp": "int main() {}", "inc/b.hpp": ""}, ("sh", "-c", "c++ -O2 -Iinc -o ./program a.cpp -lm && ./program")),
    ({"run.sh": "#!/bin/bash\n"}, ("bash", "run.sh")),
    ({"benchmarks/test_a.py": "def test_a(benchmark):\n    benchmark(f)\n", "benchmarks/test_b.py": "def test_b(): pass\n"},
     ("sh", "-c", f"python3 -m pytest -q --benchmark-only --benchmark-json=benchmark.json benchmarks/test_a.py && {project.SHOWN}")),
])
def test_how_a_project_may_be_run(texts, command):
    assert project.proposals(texts)[0] == command


@pytest.mark.parametrize(("command", "texts", "build", "output", "run"), [
    ("make && ./prog -n 3", {}, "make", "prog", "./prog -n 3"),
    ("cmake . && make -j2 && bin/prog", {}, "sh -c cmake . && make -j2", "bin/prog", "./bin/prog"),
    ("make clean && make&&./prog", {}, "sh -c make clean && make", "prog", "./prog"),
    ("make && ./run.sh", {"run.sh": ""}, None, "", ""), ("make && python bench.py", {}, None, "", ""), ("./a && ./b", {}, None, "", ""),
    ("make && /usr/bin/time x", {}, None, "", ""), ("make && ../prog", {}, None, "", ""), ("make && ./prog > log", {}, None, "", ""),
    ("make; ./prog", {}, None, "", ""), ("make || true && ./prog", {}, None, "", ""), ("make && ", {}, None, "", ""),
])
def test_what_compiles_is_told_apart_from_what_runs(command, texts, build, output, run):
    made = project.made(("sh", "-c", command), texts)
    assert made is None if build is None else (" ".join(made.build), *made.outputs, " ".join(made.run)) == (build, output, run)


@pytest.mark.parametrize(("command", "texts", "wanted"), [
    ("cargo run --release -- 7", {"Cargo.toml": '[package]\nname = "sorts"\n'},
     ("cargo build --release", "target/release/sorts", "target/release/sorts 7")),
    ("cargo run", {"Cargo.toml": '[package]\nname = "x"\n[[bin]]\nname = "y"\n'}, ("cargo build", "target/debug/y", "target/debug/y")),
    ("cargo run", {"Cargo.toml": '[[bin]]\nname = "x"\n[[bin]]\nname = "y"\n'}, None), ("cargo run", {"Cargo.toml": "[workspace]\n"}, None),
    ("cargo run --bin x", {"Cargo.toml": '[package]\nname = "x"\n'}, None), ("cargo run", {"Cargo.toml": "]"}, None),
    ("go run ./cmd", {}, ("go build -o program ./cmd", "program", "./program")),
    ("make -s run", {"Makefile": "run: prog data\n\t@./prog 3\nprog: x.c\n\tcc x.c\n"}, ("make -s prog data", "prog", "./prog 3")),
    ("make -s run", {"Makefile": "run: prog\n\t./prog 3\n\techo\n"}, None), ("make -s run", {"Makefile": "run: $(X)\n\t./prog\n"}, None),
    ("make -s run", {}, None), ("python train.py", {}, None),
])
def test_the_compilers_that_run_what_they_make(command, texts, wanted):
    made = project.made(command.split(), texts)
    assert made is None if wanted is None else (" ".join(made.build), *made.outputs, " ".join(made.run)) == wanted


@pytest.mark.parametrize("texts", [{}, {"README.md": ""}, {"tests/test_x.py": "print(1)"}, {"setup.py": "print(1)"}, {"score.py": "print(1)"}])
def test_what_no_program_is_proposed_for(texts):
    assert project.proposals(texts) == []


@pytest.mark.parametrize(("command", "direct"), [
    ("uv run train.py --lr 1", "python train.py --lr 1"), ("uv run --frozen -- python -m pkg", "python -m pkg"), ("uv run -m pkg.train", "python -m pkg.train"),
    ("poetry run pytest -q", "pytest -q"), ("uv run --with numpy train.py", None), ("uv sync", None), ("python train.py", None), ("uv run", None)])
def test_what_a_tool_starts_in_an_environment(command, direct):
    assert runners.direct(command.split()) == tuple((direct or command).split())


# ---- where a program lies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("root", "beside", "read"), [
    (".tool", "credentials.toml", "~/.tool/bin"), (".tool", "lib/x", "~/.tool/bin"), ("work", "src/x", "~/work/bin"),
    ("opt/go", "pkg/tool/x", "~/opt/go"), (".versions/1.2", "lib/x", "~/.versions/1.2")])
def test_of_a_folder_with_settings_or_source_beside_its_programs_those_alone_are_read(tmp_path, monkeypatch, root, beside, read):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("bin/some-tool", beside):
        (tmp_path / root / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / root / name).write_text("")
    (tmp_path / root / "bin/some-tool").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / root / "bin"))
    assert programs.found(("some-tool",)).data == (read,)


@pytest.mark.parametrize("command", [
    ("some-tool", "run"), ("env", "SEED=$OVERNIGHT_SEED", "some-tool", "run"), ("sh", "-c", "SEED=3 some-tool run | tail -1"),
    ("sh", "-c", "true && some-tool")])
def test_a_program_of_the_home_is_found_behind_env_and_in_a_line_for_a_shell(tmp_path, monkeypatch, command):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work/bin").mkdir(parents=True)
    (tmp_path / "work/bin/some-tool").write_text("")
    (tmp_path / "work/bin/some-tool").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "work/bin"))
    found = programs.found(command)
    path = f"PATH={tmp_path}/work/bin:/usr/local/bin:/usr/bin:/bin"
    assert found.data == ("~/work/bin",) and found.command == ("env", path, *(command[1:] if command[0] == "env" else command))
    assert programs.found(("sh", "-c", "echo some-tool")).data == ()
