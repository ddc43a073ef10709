"""The line that tells why a program failed, of what compilers, interpreters and test runners write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from needs import paced
from overnight.execution.failing import told

TOLD = {
    "a traceback": (
        'Traceback (most recent call last):\n  File "/w/train.py", line 12, in <module>\n    main()\n  File "/w/model.py", line 4, in main\n'
        "    return layers(x)\n  File \"/usr/lib/python3.11/random.py\", line 350, in choose\n    raise IndexError(1)\n"
        "IndexError: list index out of range\n", "IndexError: list index out of range (model.py, line 4)"),
    "the last of two": (
        'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1\n\nDuring handling of the above exception, another '
        'exception occurred:\n\nTraceback (most recent call last):\n  File "b.py", line 2\nValueError: no such key\n',
        "ValueError: no such key (b.py, line 2)"),
    "syntax": ('  File "train.py", line 3\n    def f(:\n          ^\nSyntaxError: invalid syntax\n', "SyntaxError: invalid syntax"),
    "gcc under make": (
        "cc -O3 -o prog main.c\nmain.c: In function 'main':\nmain.c:7:5: warning: unused variable 'y'\nmain.c:8:12: error: 'x' undeclared (first "
        "use in this function)\n    8 |     return x;\n      |            ^\nmain.c:9:1: error: expected ';'\nmake: *** [Makefile:3: prog] Error 1\n",
        "main.c:8:12: error: 'x' undeclared (first use in this function)"),
    "the linker": ("/usr/bin/ld: /tmp/cc1.o: in function `main':\nmain.c:(.text+0x5): undefined reference to `go'\n"
                   "collect2: error: ld returned 1 exit status\nmake: *** [Makefile:2: prog] Error 1\n",
                   "main.c:(.text+0x5): undefined reference to `go'"),
    "nvcc": ('kernel.cu(12): error: identifier "blockIdx2" is undefined\n\n1 error detected in the compilation of "kernel.cu".\n',
             'kernel.cu(12): error: identifier "blockIdx2" is undefined'),
    "cargo": ("   Compiling fast v0.1.0\nerror[E0425]: cannot find value `x` in this scope\n --> src/main.rs:2:20\n  |\n2 |     x\n\n"
              "error: aborting due to 1 previous error\n\nFor more information about this error, try `rustc --explain E0425`.\n"
              "error: could not compile `fast` (bin \"fast\") due to 1 previous error\n",
              "error[E0425]: cannot find value `x` in this scope (src/main.rs:2:20)"),
    "a panic of Rust": ("thread 'main' panicked at src/main.rs:3:9:\nindex out of bounds: the len is 3 but the index is 7\n"
                        "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
                        "index out of bounds: the len is 3 but the index is 7"),
    "go's compiler": ("# example.com/fast\n./main.go:6:2: undefined: foo\n", "./main.go:6:2: undefined: foo"),
    "a panic of Go": ("panic: runtime error: integer divide by zero\n\ngoroutine 1 [running]:\nmain.main()\n\t/w/main.go:6 +0x1d\nexit status 2\n",
                      "panic: runtime error: integer divide by zero"),
    "Node": ("/w/bench.js:3\n  x.y.z\n    ^\n\nTypeError: Cannot read properties of undefined (reading 'z')\n    at Object.<anonymous> (/w/bench.js:3:7)\n"
             "    at node:internal/main/run_main_module:28:49\n\nNode.js v20.11.0\n",
             "TypeError: Cannot read properties of undefined (reading 'z')"),
    "C++": ("terminate called after throwing an instance of 'std::runtime_error'\n  what():  no room\n", "what():  no room"),
    "a shell": ("sh: 1: nvcc: not found\n", "nvcc: not found"),
    "words": ("step 3\nloss is nan, giving up\n\n", "loss is nan, giving up"),
    "signs alone": ("!!\n", "!!"),
}


@pytest.mark.parametrize("name", TOLD)
def test_the_line_that_tells_why_is_found(name):
    said, why = TOLD[name]
    assert told(said.encode()) == why


def test_a_silent_program_is_heard_on_its_other_output():
    tests = b"F\n=== FAILURES ===\nE   assert 1 == 2\n=== short test summary info ===\nFAILED test_a.py::test_a - assert 1 == 2\n=== 1 failed in 0.02s ===\n"
    assert told(b"", tests) == "FAILED test_a.py::test_a - assert 1 == 2"
    assert told(b"why\n", tests) == "why" and told(b"", b"") == ""


@given(st.binary(max_size=400), st.binary(max_size=200))
@paced
def test_anything_gives_one_bounded_line(stderr, stdout):
    found = told(stderr, stdout)
    assert len(found) < 1000 and len(found.splitlines()) <= 1


def test_much_output_is_read_in_linear_time():
    assert told(b"a" * (1 << 22)) and told(b" at" * (1 << 20)) and told(b"x:" * (1 << 20))
