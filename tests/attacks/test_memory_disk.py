"""Memory and disk: whatever is made of a bounded thing, the machine keeps the rest.

The track allows 96 MiB of memory and 16 MiB for its artefacts and its tree. Where a control group
counts, it is what ends the greedy; elsewhere limits inside, the size of each tmpfs and a look at the tree every tenth of
a second do. Every attempt here is bounded, so that it harms nobody where it succeeds.
"""

from attacks.night import CONTRACT
from attacks.suite import Stopped, only, probe

KIND = "memory and disk"
GROUND = {"track.toml": CONTRACT.replace('memory = "128MiB"', 'memory = "96MiB"').replace('timeout = "3s"', 'timeout = "5s"')}
MEMORY = "more memory than it may have"
REFUSED_OR_ENDED = f"{MEMORY}|status 1"  # a filter refuses it, or it is allowed and counted
FLOOD = """
    os.chdir({place})
    for count in range(120_000):
        try:
            os.close(os.open(str(count), os.O_CREAT | os.O_WRONLY))
        except OSError as error:
            print(f"{{errno.errorcode[error.errno]}} after {{count}}")
            os._exit(1)
    import time
    time.sleep(0.5)
    return "120,000"
"""
FLOODED = f"more files than it may|{MEMORY}|status 1"

ATTACKS = [
    # -- memory --
    probe("takes four gigabytes at once", KIND, "return len(bytearray(4 << 30))", "limit on a process's data",
          said="^probe: MemoryError$"),
    probe("takes memory until there is no more", KIND, """
        held = []
        while len(held) < 400:
            held.append(b"x" * (1 << 20))
        return len(held)
        """, "limit on a process's data", said="^probe: MemoryError$"),
    probe("shares memory that no process owns", KIND, """
        import mmap, time
        held = mmap.mmap(-1, 200 << 20)
        for at in range(0, 200 << 20, 4096):
            held[at] = 1
        time.sleep(1)
        return "200 MiB"
        """, "bound on the tree's memory", verdict="crash", reason=MEMORY, said=""),
    probe("spreads its memory over many processes", KIND, """
        import time
        for _ in range(8):
            if not os.fork():
                held = b"x" * (24 << 20)
                time.sleep(1)
                os._exit(0)
        time.sleep(1)
        return "192 MiB"
        """, "bound on the tree's memory", verdict="crash", reason=MEMORY, said=""),
    probe("fills files in memory that nobody maps", KIND, """
        import time
        try:
            held = [os.memfd_create("x") for _ in range(20)]
        except OSError as error:
            say(errno.errorcode[error.errno])
            os._exit(1)
        for fd in held:
            for _ in range(10):
                os.write(fd, bytes(1 << 20))
        time.sleep(1)
        return "200 MiB"
        """, "system-call filter, or counted by the control group", verdict="crash", reason=REFUSED_OR_ENDED, said=""),
    probe("fills secret memory", KIND, """
        import mmap
        fd = syscall("memfd_secret", 0)
        os.ftruncate(fd, 8 << 20)
        held = mmap.mmap(fd, 8 << 20)
        for at in range(0, 8 << 20, 4096):
            held[at] = 1
        return "8 MiB"
        """, "system-call filter, or limit on locked memory",
          said=only("ENOSYS", "EPERM", "EAGAIN", "ENOMEM", "EFBIG", "EINVAL")),
    probe("leaves memory in the kernel's shared segments", KIND, """
        return each(memory=lambda: syscall("shmget", 0, 64 << 20, 0o1666), semaphores=lambda: syscall("semget", 0, 1000, 0o1666),
                    messages=lambda: syscall("msgget", 0, 0o1666))
        """, "system-call filter", said=only("ENOSYS", "EPERM")),
    probe("fills tables of pages that hold nothing", KIND, """
        import mmap, time
        seen = mmap.mmap(-1, 80 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ)
        seen.madvise(mmap.MADV_NOHUGEPAGE)
        for at in range(0, 80 << 30, 2 << 20):
            seen[at]
        time.sleep(1)
        return "160 MiB"
        """, "bound on the tree's memory", verdict="crash", reason=MEMORY, said=""),
    probe("locks its memory", KIND, """
        import ctypes
        held = ctypes.create_string_buffer(4 << 20)
        syscall("mlock", ctypes.c_void_p(ctypes.addressof(held)), 4 << 20)
        return "locked"
        """, "limit on locked memory", said=only("ENOMEM", "EPERM", "EAGAIN")),
    probe("fills pipes", KIND, """
        import fcntl, resource, time
        total = 0
        for _ in range(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 8):
            out = os.pipe2(os.O_NONBLOCK)[1]
            try:
                fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, 1 << 20)
            except OSError:
                pass
            try:
                while total < 150 << 20:
                    total += os.write(out, bytes(1 << 16))
            except BlockingIOError:
                pass
        time.sleep(0.3)
        say(f"held {total >> 20} MiB")
        os._exit(total >= 100 << 20)
        """, "the kernel's bound for a user, or the control group", verdict="crash", reason=f"{MEMORY}|no answer", said=""),
    probe("fills sockets", KIND, """
        import resource, socket, time
        total, held = 0, []
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 8
        for _ in range(min(most, 1000)):
            pair = socket.socketpair()
            held.append(pair)
            for each in pair:
                each.setblocking(False)
                each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                try:
                    while total < 150 << 20:
                        total += each.send(bytes(1 << 15))
                except BlockingIOError:
                    pass
        time.sleep(0.3)
        say(f"held {total >> 20} MiB")
        os._exit(total >= 100 << 20)
        """, "bound on descriptors, or the control group", verdict="crash", reason=f"{MEMORY}|no answer", said=""),
    # -- disk --
    probe("fills every place that it may write to", KIND, """
        def fill(place):
            made = []
            try:
                for count in range(32):
                    made.append(f"{place}/{count}")
                    with open(made[-1], "wb") as out:
                        for _ in range(8):
                            out.write(bytes(1 << 20))
            finally:
                for name in made:
                    os.unlink(name)
        places = {"out": os.environ["OVERNIGHT_OUT"], "tmp": "/tmp", "shm": "/dev/shm", "tree": "."}
        return each(**{name: lambda place=place: fill(place) for name, place in places.items()})
        """, "every place is a bounded tmpfs", said=only("ENOSPC")),
    probe("writes one huge file", KIND, """
        with open("/tmp/x", "wb", 0) as out:
            written = [out.write(bytes(4 << 20)) for _ in range(6)]
        return f"{sum(written) >> 20} MiB"
        """, "limit on a file's size", said=only("EFBIG")),
    probe("makes a file of a terabyte with nothing in it", KIND, """
        fd = os.open("/tmp/x", os.O_CREAT | os.O_RDWR)
        def far():
            os.lseek(fd, 1 << 40, 0)
            os.write(fd, b"x")
        return each(truncate=lambda: os.ftruncate(fd, 1 << 40), seek=far, reserve=lambda: os.posix_fallocate(fd, 0, 1 << 40))
        """, "limit on a file's size", said=only("EFBIG", "ENOSPC")),
    probe("leaves a flood of empty files", KIND, FLOOD.format(place='os.environ["OVERNIGHT_OUT"]'),
          "bound on names, or the control group", verdict="crash", reason=FLOODED, said=""),
    probe("makes a flood of empty files in /tmp", KIND, FLOOD.format(place='"/tmp"'),
          "bound on names, or the control group", verdict="crash", reason=FLOODED, said=""),
    probe("makes a flood of empty files in its tree", KIND, FLOOD.format(place='"."'),
          "bound on names, or the control group", verdict="crash", reason=FLOODED, said=""),
    probe("makes a flood of empty files in /dev/shm", KIND, FLOOD.format(place='"/dev/shm"'),
          "bound on names, or the control group", verdict="crash", reason=FLOODED, said=""),
    probe("fills attributes of files", KIND, """
        import time
        open("/tmp/x", "w").close()
        try:
            for count in range(2000):
                os.setxattr("/tmp/x", f"user.{count}", bytes(60_000))
        except OSError as error:
            print(f"{errno.errorcode[error.errno]} after {count}")
            os._exit(1)
        time.sleep(0.5)
        return "120 MB"
        """, "they count as names, or the control group", verdict="crash", reason=FLOODED, said=""),
    probe("prints a gigabyte", KIND, """
        for _ in range(1 << 14):
            os.write(1, bytes(1 << 16))
        return "printed"
        """, "bound on output", verdict="crash", reason="more output than it may", said=""),
    probe("prints a gigabyte of errors", KIND, """
        for _ in range(1 << 14):
            os.write(2, b"wrong\\n" * (1 << 13))
        return "printed"
        """, "bound on output", verdict="crash", reason="more output than it may", said=""),
    probe("dumps core", KIND, """
        import resource
        pid = os.fork()
        if not pid:
            held = bytes(1 << 20)
            os.kill(os.getpid(), 11)
        status = os.waitpid(pid, 0)[1]
        left = [name for name in os.listdir(".") if name.startswith("core")]
        say(f"left {left}, limit {resource.getrlimit(resource.RLIMIT_CORE)[1] <= 1}")
        """, "limit on core dumps", said=r"^probe: left \[\], limit True$"),
    # -- what a whole user of the host has but once --
    probe("queues signals that nobody takes", KIND, """
        import ctypes, signal
        libc = ctypes.CDLL(None, use_errno=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
        for count in range(20_000):
            if libc.sigqueue(os.getpid(), int(signal.SIGRTMIN), None):
                return say(f"{errno.errorcode[ctypes.get_errno()]} after {count}")
        return "20,000"
        """, "limit on waiting signals", said=r"^probe: EAGAIN after \d{1,4}$"),
    probe("uses up the user's watches and queues", KIND, """
        import ctypes
        return each(watches=lambda: [syscall("inotify_init1", 0) for _ in range(200)],
                    queue=lambda: syscall("io_setup", 1000, ctypes.byref(ctypes.c_ulong(0))),
                    all=lambda: syscall("fanotify_init", 0, 0))
        """, "system-call filter", said=only("EPERM", "ENOSYS"), works="^probe: OPEN"),
]


class TestMemoryDisk(Stopped):
    """A night of greed."""
