"""The system-call filter: what its table says is what its program does, read by an interpreter of our own for both
machines; then the same by this kernel under real bubblewrap, and honest programs that must not notice."""

import errno
import functools
import itertools
import json
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.errors import SandboxMissing
from overnight.sandbox.kernel import seccomp
from overnight.sandbox.kernel.seccomp import DENIED, MACHINES, program

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003, "arm": 0x40000028}
HERE = os.uname().machine
NETWORKS = ("none", "loopback")
ALLOW, KILL = "allow", "kill"
machines = pytest.mark.parametrize("machine", MACHINES)
networks = pytest.mark.parametrize("network", NETWORKS)


# ---- an interpreter ----------------------------------------------------------------------------------------------


@functools.cache
def instructions(text):
    return list(struct.iter_unpack("=HBBI", text))


def verdict(text, arch, number, arguments=(0,) * 6):
    """What the kernel would do: ALLOW, KILL or an errno. An instruction that is none of the seven is an error."""
    data = struct.pack("=IIQ6Q", number, arch, 0x7FFF00001234, *arguments)
    code, at, a = instructions(text), 0, 0
    while True:
        op, jt, jf, k = code[at]
        at += 1
        match op:
            case 0x20:
                (a,) = struct.unpack_from("=I", data, k)
            case 0x54:
                a &= k
            case 0x05:
                at += k
            case 0x15:
                at += jt if a == k else jf
            case 0x35:
                at += jt if a >= k else jf
            case 0x06:
                return {0x7FFF0000: ALLOW, 0x80000000: KILL}.get(k) or returned(k)
            case _:
                raise AssertionError(f"no such instruction: {op:#x}")


def returned(k):
    assert k >> 16 == 5, f"neither a verdict nor an errno: {k:#x}"
    return k & 0xFFFF


def decide(machine, name, arguments, network="none", memory_bounded=False):
    """What the filter of a machine says of a call by its name."""
    number = getattr(DENIED[name], machine)
    return verdict(program(network, memory_bounded, machine), ARCH[machine], number, arguments)


def there(machine):
    """The rules that a machine has a number for."""
    return {name: rule for name, rule in DENIED.items() if getattr(rule, machine) is not None}


def known(machine):
    return [n for span in MACHINES[machine].known for n in span]


words = st.integers(0, 2**32 - 1)
longs = st.builds(lambda high, low: high << 32 | low, st.sampled_from([0, 1, 0x80000000, 0xFFFFFFFF]) | words, words)
six = st.tuples(*[longs] * 6)

# ---- the program as such -----------------------------------------------------------------------------------------


@machines
@networks
def test_the_kernel_can_take_it(machine, network):
    assert len(program(network, False, machine)) % 8 == 0
    assert len(instructions(program(network, False, machine))) <= 4096


@machines
@networks
def test_no_jump_leaves_it_and_its_end_is_a_return(machine, network):
    code = instructions(program(network, False, machine))
    for at, (op, jt, jf, k) in enumerate(code):
        targets = {0x05: [k], 0x15: [jt, jf], 0x35: [jt, jf], 0x06: []}.get(op, [0])
        assert all(at + 1 + target < len(code) for target in targets), at
    assert code[-1][0] == 0x06


@machines
@networks
def test_every_instruction_can_be_reached(machine, network):
    code = instructions(program(network, False, machine))
    reached, todo = set(), [0]
    while todo:
        at = todo.pop()
        op, jt, jf, k = code[at]
        reached.add(at)
        targets = {0x05: [k], 0x15: [jt, jf], 0x35: [jt, jf], 0x06: []}.get(op, [0])
        todo += [at + 1 + target for target in targets if at + 1 + target not in reached]
    assert reached == set(range(len(code)))


@machines
def test_it_reads_only_whole_words_of_what_the_kernel_shows(machine):
    offsets = {k for op, _, _, k in instructions(program("loopback", False, machine)) if op == 0x20}
    assert all(offset % 4 == 0 and offset < 64 for offset in offsets)


def test_it_is_for_this_machine_unless_told_otherwise():
    assert program() == program(machine=HERE)


def test_it_is_built_once():
    assert program("none", False, "x86_64") is program("none", False, "x86_64")


def test_another_processor_is_refused_with_what_to_do():
    with pytest.raises(SandboxMissing, match=r"no system-call filter for riscv64 yet: .*, or choose `--sandbox none`"):
        program(machine="riscv64")


def test_a_jump_over_more_than_255_instructions_arrives():
    stretches = [(n, seccomp._refuse(n + 1) * 1) for n in range(1000)]
    text = seccomp._op(0x20, 0) + seccomp._search(stretches)
    assert [verdict(text, 0, n) for n in range(1000)] == [n + 1 for n in range(1000)]


# ---- what it says ------------------------------------------------------------------------------------------------


@machines
@given(data=st.data(), arguments=six)
def test_what_is_refused_always_is_refused_whatever_the_arguments(machine, data, arguments):
    name = data.draw(st.sampled_from([name for name, rule in there(machine).items() if not rule.when]))
    assert decide(machine, name, arguments) == DENIED[name].errno


@machines
@given(data=st.data(), arguments=six)
def test_what_is_known_and_not_refused_is_allowed_whatever_the_arguments(machine, data, arguments):
    refused = {getattr(rule, machine) for rule in DENIED.values()}
    number = data.draw(st.sampled_from([n for n in known(machine) if n not in refused]))
    assert verdict(program("none", False, machine), ARCH[machine], number, arguments) == ALLOW


@pytest.mark.parametrize(("machine", "gaps"), [("x86_64", [range(336, 424)]), ("aarch64", [range(244, 260), range(295, 424)])])
def test_what_was_not_looked_at_does_not_exist(machine, gaps):
    numbers = [n for gap in [*gaps, range(463, 2000)] for n in gap] + [0x3FFFFFFF, 0xFFFFFFFF]
    assert {verdict(program("none", False, machine), ARCH[machine], n) for n in numbers} == {errno.ENOSYS}


@given(number=st.integers(0x40000000, 0xFFFFFFFE), arguments=six)
def test_calls_of_x32_end_the_process(number, arguments):
    assert verdict(program("none", False, "x86_64"), ARCH["x86_64"], number, arguments) == KILL


@machines
@given(arch=st.sampled_from(sorted(ARCH.values())) | words, number=words, arguments=six)
def test_calls_of_another_architecture_end_the_process(machine, arch, number, arguments):
    if arch != ARCH[machine]:
        assert verdict(program("none", False, machine), arch, number, arguments) == KILL


def low(argument):
    return argument & 0xFFFFFFFF


def set_id(argument):
    return argument & 0o6000


def creates(flags):
    return flags & os.O_CREAT or flags & (os.O_TMPFILE & ~os.O_DIRECTORY)


def other_family(a):
    return low(a[0]) != 1


def beyond_loopback(a):
    """The sockets that a loopback network does not need."""
    family, kind, protocol = low(a[0]), a[1] & 0xF, low(a[2])
    match family:
        case 1:
            return False
        case 2 | 10:
            return kind not in (1, 2) or protocol not in (0, 6, 17)
        case 16:
            return protocol != 0
    return True


# The same rules once more, as the kernel understands the arguments: name -> whether these are refused.
REFUSED = {
    "unshare": lambda a: a[0] & ~0x40600,
    "clone": lambda a: any(a[0] & flag for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)),
    "chmod": lambda a: set_id(a[1]),
    "fchmod": lambda a: set_id(a[1]),
    "fchmodat": lambda a: set_id(a[2]),
    "fchmodat2": lambda a: set_id(a[2]),
    "creat": lambda a: set_id(a[1]),
    "open": lambda a: creates(a[1]) and set_id(a[2]),
    "openat": lambda a: creates(a[2]) and set_id(a[3]),
    "mknod": lambda a: set_id(a[1]) or a[1] & 0o20000,
    "mknodat": lambda a: set_id(a[2]) or a[2] & 0o20000,
    "seccomp": lambda a: a[1] & 8,
    "prctl": lambda a: low(a[0]) in (35, 62, 78),
    "personality": lambda a: low(a[0]) not in (0, 0xFFFFFFFF),
    "ioctl": lambda a: low(a[1]) in (0x5412, 0x541C, 0x541D, 0x5423),
    "fcntl": lambda a: low(a[1]) in (1024, 1026, 1040),
    "setsockopt": lambda a: low(a[1]) == 1 and low(a[2]) in (7, 8, 32, 33),
    "madvise": lambda a: low(a[2]) in (20, 21),
    "msync": lambda a: a[2] & 4,
    "mmap": lambda a: a[3] & 0x40000,
    "preadv2": lambda a: a[5] & 8,
    "prlimit64": lambda a: low(a[0]) and a[2],
    "sched_setscheduler": lambda a: low(a[1]) not in (0, 0x40000000),
    "socket": other_family,
    "socketpair": other_family,
}
TELLING = [0, 1, 2, 6, 7, 8, 32, 33, 10, 16, 17, 35, 62, 78, 0x5412, 0x541C, 0x541D, 0x5423, 0x5401, 0xFFFFFFFF, 0o4755, 0o2755, 0o644,
           0o100, 0o101, 0o20200000, 0o1102, 0o4000, 0x200, 4, 20, 21, 1024, 1026, 1040, 0x40022, 0x40600, 0x10000000, 0x7E020000,
           0x40000000, 17 | 0x1200000, 0x3D0F00, 1 | 0o2000000, 2 | 0o4000, 0o010644, 0o020644, 0o060644, 0o100644, 0o140755, 40, 38]
BOTH = [(machine, name) for machine in MACHINES for name in REFUSED if getattr(DENIED[name], machine) is not None]
telling = st.builds(lambda high, low: high << 32 | low, st.sampled_from([0, 1, 0xFFFFFFFF]), st.sampled_from(TELLING))


def test_every_rule_on_arguments_is_told_twice():
    assert {name for name, rule in DENIED.items() if rule.when} == set(REFUSED)


@pytest.mark.parametrize(("machine", "name"), BOTH)
def test_a_rule_on_arguments_does_what_it_says_of_each_telling_value(machine, name):
    for at, one, other in itertools.product(range(3), TELLING, TELLING):
        arguments = (*[0] * at, one, other, *[0] * (4 - at))
        expected = DENIED[name].errno if REFUSED[name](arguments) else ALLOW
        assert decide(machine, name, arguments) == expected, arguments


@settings(max_examples=200)
@given(arguments=st.tuples(*[telling | longs] * 6))
def test_a_rule_on_arguments_does_what_it_says_whatever_the_high_bits(arguments):
    for machine, name in BOTH:
        expected = DENIED[name].errno if REFUSED[name](arguments) else ALLOW
        assert decide(machine, name, arguments) == expected, (machine, name)


@machines
def test_a_loopback_network_opens_these_sockets(machine):
    for three in itertools.product(range(46), [*range(12), 2 | os.O_CLOEXEC, 1 | os.O_NONBLOCK], [0, 1, 6, 16, 17, 132, 136, 255, 262]):
        expected = errno.EAFNOSUPPORT if beyond_loopback(three) else ALLOW
        assert decide(machine, "socket", (*three, 0, 0, 0), "loopback") == expected, three


@machines
@given(arguments=st.tuples(*[telling | longs] * 6))
def test_a_loopback_network_opens_no_other_socket_whatever_the_high_bits(machine, arguments):
    expected = errno.EAFNOSUPPORT if beyond_loopback(arguments) else ALLOW
    assert decide(machine, "socket", arguments, "loopback") == expected


@machines
def test_pipes_sockets_and_plain_files_can_be_made_and_devices_cannot(machine):
    made = [decide(machine, "mknodat", (0, 0, kind | 0o600, 0, 0, 0))
            for kind in (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFREG, stat.S_IFCHR, stat.S_IFBLK)]
    assert made == [ALLOW, ALLOW, ALLOW, errno.EPERM, errno.EPERM]


@machines
def test_high_bits_hide_no_terminal_command(machine):
    """CVE-2019-10063: the kernel takes 32 bits of the command, a comparison of 64 would let it pass."""
    assert decide(machine, "ioctl", (0, 0x1_0000_5412, 0, 0, 0, 0)) == errno.EPERM


@machines
@pytest.mark.parametrize("name", ["memfd_create", "memfd_secret"])
def test_memory_of_no_process_is_allowed_where_a_cgroup_counts_it(machine, name):
    assert decide(machine, name, (0,) * 6) == errno.EPERM
    assert decide(machine, name, (0,) * 6, memory_bounded=True) == ALLOW


# ---- the table ---------------------------------------------------------------------------------------------------

HEADERS = {"x86_64": [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")],
           "aarch64": [Path("/usr/include/asm-generic/unistd.h")]}


def header(machine):
    """name -> number, as the kernel's own header has it; calls of 32-bit machines left out."""
    path = next((p for p in HEADERS[machine] if p.exists()), None)
    if path is None:
        pytest.skip(f"no kernel headers for {machine} here")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text())
    return {name: int(number) for name, number in found if not (machine == "aarch64" and 400 < int(number) < 424)}


@machines
def test_the_numbers_are_those_of_the_kernels_header(machine):
    numbers = header(machine)
    wrong = {name: (getattr(rule, machine), numbers.get(name)) for name, rule in DENIED.items()
             if name in numbers and numbers[name] != getattr(rule, machine)}
    assert not wrong


@machines
def test_a_call_that_the_header_lacks_has_no_number_or_is_newer(machine):
    numbers = header(machine)
    newest = max(number for name, number in numbers.items() if name != "syscalls")
    for name, rule in DENIED.items():
        number = getattr(rule, machine)
        assert name in numbers or number is None or number > newest, name


@machines
def test_no_two_calls_have_one_number(machine):
    numbers = [getattr(rule, machine) for rule in there(machine).values()]
    assert len(numbers) == len(set(numbers))


@machines
def test_every_refused_call_is_one_that_was_looked_at(machine):
    assert {getattr(rule, machine) for rule in there(machine).values()} <= set(known(machine))


@machines
def test_no_call_of_the_header_up_to_the_last_is_forgotten(machine):
    last = max(known(machine))
    unassigned = {"arch_specific_syscall", "syscalls"}  # marks in the header, not calls
    assert {n for name, n in header(machine).items() if n <= last and name not in unassigned} <= set(known(machine))


def table():
    """The rows of the page, from the table."""
    rows = {}
    for name, rule in DENIED.items():
        rows.setdefault((rule.why, errno.errorcode.get(rule.errno, "0")), []).append(f"`{name}`")
    return [f"| {', '.join(names)} | {code} | {why} |" for (why, code), names in rows.items()]


def test_the_page_shows_the_table():
    page = (Path(__file__).parent.parent / "docs/system-calls.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("| `")] == table()


# ---- this kernel -------------------------------------------------------------------------------------------------

MARK = 1000  # added to each errno, so that it is known who answered


def marked(text):
    """A program whose refusals can be told from the kernel's own."""
    return b"".join(struct.pack("=HBBI", op, jt, jf, k + MARK if op == 6 and k >> 16 == 5 else k)
                    for op, jt, jf, k in instructions(text))


SPACES = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", *(["--unshare-user"] if os.geteuid() else [])]
WORLD = ["--cap-drop", "ALL", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev",
         "--perms", "1777", "--tmpfs", "/dev/shm", "--perms", "1777", "--tmpfs", "/mnt", "--chdir", "/mnt",
         "--setenv", "TMPDIR", "/mnt", "--setenv", "HOME", "/mnt"]


def inside(text, *argv, options=()):
    """Run argv under bubblewrap with this filter; /mnt is its place to write."""
    fd = os.memfd_create("filter")
    os.write(fd, text)
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        return subprocess.run(["bwrap", *SPACES, *WORLD, *options, "--seccomp", str(fd), "--", *argv], pass_fds=[fd],
                              capture_output=True, text=True, timeout=100, check=False)
    finally:
        os.close(fd)


def says(script, *more, text=None, network="none", options=()):
    """What a Python script (or an argv) prints under the filter, when it ends well."""
    argv = script if isinstance(script, tuple) else (sys.executable, "-c", textwrap.dedent(script), *more)
    done = inside(text or program(network), *argv, options=options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


CALLS = """
    import ctypes, json, sys
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    said = {}
    for name, number, arguments in json.loads(sys.argv[1]):
        ctypes.set_errno(0)
        said[name] = ctypes.get_errno() if call(*map(ctypes.c_ulong, (number, *arguments))) == -1 else 0
    print(json.dumps(said))
"""
# One use of each that is refused: by the words of its rule.
TRIED = {"unshare": (0x10000000,), "clone": (0x10000000,), "chmod": (0, 0o4755), "fchmod": (0, 0o2755), "creat": (0, 0o4755),
         "fchmodat": (0, 0, 0o4755), "fchmodat2": (0, 0, 0o4755), "open": (0, os.O_CREAT, 0o4755), "mknod": (0, 0o060600),
         "openat": (0, 0, os.O_CREAT, 0o4755), "mknodat": (0, 0, 0o020600), "seccomp": (1, 8, 0), "prctl": (78, 1, 16), "sched_setscheduler": (0, 3),
         "fcntl": (0, 1026, 1), "madvise": (0, 0, 21), "msync": (0, 0, 4), "mmap": (0, 4096, 1, 0x40022, -1, 0),
         "preadv2": (0, 0, 0, 0, 0, 8), "prlimit64": (1, 0, 1, 0), "setsockopt": (0, 1, 7, 0, 0),
         "personality": (0x0040000,), "ioctl": (0, 0x1_0000_5412, 0), "socket": (40, 1, 0), "socketpair": (30, 1, 0, 0)}


@pytest.mark.sandbox
def test_each_refused_call_is_answered_by_the_filter_and_not_by_the_kernel(bubblewrap):
    calls = [(name, getattr(rule, HERE), TRIED.get(name, ())) for name, rule in there(HERE).items()]
    said = json.loads(says(CALLS, json.dumps(calls), text=marked(program())))
    assert said == {name: DENIED[name].errno + MARK for name, _, _ in calls}


@pytest.mark.sandbox
def test_a_call_that_nobody_looked_at_is_answered_by_the_filter(bubblewrap):
    calls = [("next", max(known(HERE)) + 1, ()), ("none", 0x3FFFFFFF, ()), ("minus one", 0xFFFFFFFF, ())]
    said = json.loads(says(CALLS, json.dumps(calls), text=marked(program())))
    assert set(said.values()) == {errno.ENOSYS + MARK}


@pytest.mark.sandbox
@pytest.mark.skipif(HERE != "x86_64", reason="x32 is another numbering of x86-64 calls")
def test_a_call_of_x32_kills(bubblewrap):
    done = inside(program(), sys.executable, "-c", "import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 39)")
    assert done.returncode == 128 + signal.SIGSYS


INT80 = """
    import ctypes, mmap
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20 (getpid); int 0x80; ret
    print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))())
"""


@pytest.mark.sandbox
@pytest.mark.skipif(HERE != "x86_64", reason="int 0x80 is an instruction of x86")
def test_a_call_of_i386_kills(bubblewrap):
    if subprocess.run([sys.executable, "-c", textwrap.dedent(INT80)], capture_output=True, check=False).returncode:
        pytest.skip("this kernel knows no calls of i386")
    assert inside(program(), sys.executable, "-c", textwrap.dedent(INT80)).returncode == 128 + signal.SIGSYS


@pytest.mark.sandbox
def test_the_filter_of_another_machine_loads_and_lets_nothing_run(bubblewrap):
    other = next(machine for machine in MACHINES if machine != HERE)
    assert inside(program(machine=other), "/bin/true").returncode != 0


@pytest.mark.sandbox
def test_with_a_loopback_network_tcp_works_and_other_families_do_not(bubblewrap):
    script = """
        import socket
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as a:
            a.send(b"hello"); print(server.accept()[0].recv(9).decode())
        print(len(socket.if_nameindex()))  # asks over NETLINK_ROUTE
        for family in (socket.AF_VSOCK, socket.AF_ALG, socket.AF_PACKET):
            try: socket.socket(family, socket.SOCK_RAW)
            except OSError as error: print(error.errno)
    """
    assert says(script, network="loopback").split() == ["hello", "1", *[str(errno.EAFNOSUPPORT)] * 3]


@pytest.mark.sandbox
def test_without_a_network_only_unix_sockets_can_be_made(bubblewrap):
    script = """
        import socket
        socket.socket(socket.AF_UNIX)
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_VSOCK):
            try: socket.socket(family, socket.SOCK_DGRAM)
            except OSError as error: print(error.errno)
    """
    assert says(script).split() == [str(errno.EAFNOSUPPORT)] * 4


# ---- honest programs ---------------------------------------------------------------------------------------------

HONEST = {
    "threads": """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(4) as pool: print(sum(pool.map(len, ["ab"] * 8)))
    """,
    "fork": "import os; pid = os.fork() or os._exit(16); print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))",
    "subprocess": "import subprocess; print(subprocess.run(['/bin/sh', '-c', 'echo $((8 + 8))'], capture_output=True, text=True).stdout)",
    "system": "import os; os.system('echo 16')",
    "socketpair": "import socket; a, b = socket.socketpair(); a.send(b'16'); print(b.recv(9).decode())",
    "asyncio": """
        import asyncio
        async def main():
            child = await asyncio.create_subprocess_exec("/bin/echo", "16", stdout=-1)
            print((await child.communicate())[0].decode())
        asyncio.run(main())
    """,
    "sqlite": """
        import sqlite3
        base = sqlite3.connect("base.db"); base.execute("pragma journal_mode=wal")
        base.execute("create table t (x)"); base.execute("insert into t values (16)"); base.commit()
        print(*base.execute("select x from t").fetchone())
    """,
    "shared memory": """
        from multiprocessing.shared_memory import SharedMemory
        block = SharedMemory(create=True, size=64); block.buf[0] = 16
        same = SharedMemory(block.name); print(same.buf[0]); same.close(); block.close(); block.unlink()
    """,
    "callbacks of ctypes": """
        import ctypes
        print(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n * 2)(8))
    """,
    "temporary files": """
        import os, tempfile
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as file:
            os.chmod(folder, 0o1777); os.mkfifo(folder + "/pipe"); file.write(b"x" * 16); print(file.tell())
    """,
    "numpy": "import numpy as np; a = np.full((64, 64), 0.5); print(int((a @ a)[0, 0]))",
}


@pytest.mark.sandbox
@pytest.mark.parametrize("what", HONEST)
def test_honest_programs_do_not_notice(bubblewrap, what):
    assert says(HONEST[what]) == "16"


@pytest.mark.sandbox
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_does_not_notice(bubblewrap, tmp_path, method):
    (tmp_path / "work.py").write_text(textwrap.dedent(f"""
        import multiprocessing as mp
        def double(n): return 2 * n
        if __name__ == "__main__":
            mp.set_start_method("{method}")
            with mp.Pool(2) as pool: print(sum(pool.map(double, range(4))))
    """))
    assert says((sys.executable, str(tmp_path / "work.py"))) == "12"


PINS = """
    import ctypes, os
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    libc = ctypes.CDLL(None)
    libc.pthread_self.restype = ctypes.c_ulong
    mask = (1 << min(before)).to_bytes(128, "little")
    print(libc.pthread_setaffinity_np(ctypes.c_ulong(libc.pthread_self()), 128, mask), os.sched_getaffinity(0) == before)
"""


@pytest.mark.sandbox
def test_a_program_that_pins_itself_goes_on_and_stays_where_it_was(bubblewrap):
    assert says(PINS) == "0 True"


OPENMP = """
#include <stdio.h>
int main(void) { int n = 0;
#pragma omp parallel for reduction(+:n) num_threads(4)
for (int i = 0; i < 16; i++) n++;
printf("%d\\n", n); }
"""


@pytest.mark.sandbox
@pytest.mark.skipif(not shutil.which("gcc"), reason="no C compiler here")
def test_a_compiler_and_a_program_with_bound_openmp_threads_work(bubblewrap, tmp_path):
    (tmp_path / "a.c").write_text(OPENMP)
    build = f"gcc -O1 -fopenmp {tmp_path}/a.c -o a && OMP_PROC_BIND=true ./a"
    assert says(("/bin/sh", "-c", build)) == "16"


@pytest.mark.sandbox
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop a user")
def test_root_can_be_dropped_and_limits_set_under_it(bubblewrap):
    caps = [word for cap in ("SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{cap}")]
    drop = ("/usr/bin/setpriv", "--reuid", "200000", "--regid", "200000", "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all", "--no-new-privs", "/usr/bin/prlimit", "--nofile=64")
    assert says((*drop, "/bin/sh", "-c", "id -u; ulimit -n"), options=caps).split() == ["200000", "64"]


@pytest.mark.sandbox
def test_a_tree_is_copied_without_its_setuid_bits(bubblewrap, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/tool").touch()
    (tmp_path / "folder").chmod(0o2755)
    (tmp_path / "folder/tool").chmod(0o4755)
    copy = f"umask 022; cp -R --preserve=links {tmp_path}/folder copy && stat -c %a copy copy/tool"
    assert says(("/bin/sh", "-c", copy)).split() == ["755", "755"]
