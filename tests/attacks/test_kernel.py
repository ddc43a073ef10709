"""The kernel and what is inherited: calls that nothing honest needs, keys, terminals, descriptors, other namespaces.

Where a call is refused by the filter, the errors are the filter's; without it some are refused for want of a capability,
and the rest succeed. Each argument is such that a call which goes through harms nobody. The track allows no network.
"""

from attacks.suite import Stopped, only, probe

KIND = "kernel"
FILTER = "system-call filter"
DENIED = only("EPERM", "ENOSYS")

ATTACKS = [
    probe("sets up io_uring", KIND, """
        import ctypes
        return each(setup=lambda: syscall("io_uring_setup", 1, ctypes.create_string_buffer(120)),
                    enter=lambda: syscall("io_uring_enter", 0, 0, 0, 0, 0, 0))
        """, FILTER, said=DENIED),
    probe("loads a program into the kernel", KIND, """
        import ctypes, struct
        instructions = ctypes.create_string_buffer(struct.pack("<BBhi", 0xb7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0), 16)
        license = ctypes.create_string_buffer(b"GPL")
        program = struct.pack("<IIQQ", 1, 2, ctypes.addressof(instructions), ctypes.addressof(license)).ljust(128, b"\\0")
        return each(load=lambda: syscall("bpf", 5, program, 128),
                    map=lambda: syscall("bpf", 0, struct.pack("<IIII", 2, 4, 4, 1).ljust(128, b"\\0"), 128))
        """, FILTER, said=DENIED),
    probe("watches the processor's counters", KIND, """
        import struct
        asked = struct.pack("<IIQQQQQ", 1, 120, 0, 0, 0, 0, 1 | 1 << 5 | 1 << 6).ljust(120, b"\\0")
        return f"perf {syscall('perf_event_open', asked, 0, -1, -1, 0)}"
        """, FILTER, said=DENIED),
    probe("handles its own page faults", KIND, """
        return each(user=lambda: syscall("userfaultfd", 1), all=lambda: syscall("userfaultfd", 0))
        """, FILTER, said=DENIED),
    probe("is told what others do in a folder", KIND, """
        import fcntl, signal
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        folder = os.open("/usr/bin", os.O_RDONLY)
        return each(notify=lambda: fcntl.fcntl(folder, fcntl.F_NOTIFY, 0x80000001),
                    lease=lambda: fcntl.fcntl(os.open("/usr/bin/env", os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK))
        """, FILTER, said=DENIED, works="^probe: OPEN 'notify: 0"),
    probe("asks what the host has in memory of its files", KIND, """
        import ctypes
        file = os.open("/usr/bin/env", os.O_RDONLY)
        return each(waits=lambda: os.preadv(file, [bytearray(64)], 0, os.RWF_NOWAIT),
                    counts=lambda: syscall(451, file, bytes(16), ctypes.create_string_buffer(40), 0))
        """, FILTER, said=only("ENOSYS", "EOPNOTSUPP", "ENOTSUP")),
    probe("takes huge pages that are set aside for others", KIND, """
        import mmap
        return each(huge=lambda: mmap.mmap(-1, 2 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000))
        """, FILTER, said=only("ENOMEM")),
    probe("loads and unloads modules", KIND, """
        return each(load=lambda: syscall("init_module", None, 0, b""), file=lambda: syscall("finit_module", -1, b"", 0),
                    unload=lambda: syscall("delete_module", b"no_such_module", 0))
        """, f"{FILTER}, no capability", said=DENIED),
    probe("starts another kernel, or none", KIND, """
        return each(load=lambda: syscall("kexec_load", 0, 0, 0, -1), file=lambda: syscall("kexec_file_load", -1, -1, 0, b"", -1),
                    reboot=lambda: syscall("reboot", 0, 0, 0, 0))
        """, f"{FILTER}, no capability", said=DENIED),
    probe("reaches for ports and segments of the processor", KIND, """
        import struct
        segment = struct.pack("<IIII", 0, 0, 0xfffff, 0x51)
        return each(level=lambda: syscall("iopl", 3), port=lambda: syscall("ioperm", 0x80, 1, 1),
                    segment=lambda: syscall("modify_ldt", 1, segment, 16), read=lambda: syscall("modify_ldt", 0, bytes(16), 16))
        """, FILTER, said=DENIED),
    probe("changes its personality", KIND, """
        return each(fixed=lambda: syscall("personality", 0x0040000), executable=lambda: syscall("personality", 0x0400000),
                    zero=lambda: syscall("personality", 0x0100000), old=lambda: syscall("personality", 8))
        """, FILTER, said=DENIED),
    probe("watches files of the whole machine", KIND, """
        return each(notify=lambda: syscall("fanotify_init", 0x200, 0), all=lambda: syscall("fanotify_init", 0, 0),
                    cookie=lambda: syscall("lookup_dcookie", 0, bytes(64), 64))
        """, FILTER, said=DENIED),
    probe("changes quotas, accounting and swap", KIND, """
        return each(quota=lambda: syscall("quotactl", 0x80000100, b"/dev/vda", 0, None),
                    accounts=lambda: syscall("acct", b"/no/such/file"), on=lambda: syscall("swapon", b"/no/such/file", 0),
                    off=lambda: syscall("swapoff", b"/no/such/file"), hang=lambda: syscall("vhangup"))
        """, f"{FILTER}, no capability", said=only("EPERM", "ENOSYS")),
    probe("reads and clears the kernel's log", KIND, """
        return each(read=lambda: syscall("syslog", 3, bytes(64), 64), size=lambda: syscall("syslog", 10, None, 0),
                    device=lambda: open("/dev/kmsg"), file=lambda: open("/proc/kmsg"))
        """, FILTER, said=only("EPERM", "ENOSYS", "ENOENT", "EACCES")),
    probe("sets the clocks", KIND, """
        import struct, time
        second, rest = divmod(time.time_ns(), 10**9)
        return each(clock=lambda: syscall("clock_settime", 0, struct.pack("<qq", second, rest)),
                    day=lambda: syscall("settimeofday", struct.pack("<qq", second, rest // 1000), None),
                    adjust=lambda: syscall("adjtimex", struct.pack("<I", 0x4000).ljust(208, b"\\0")),
                    other=lambda: syscall("clock_adjtime", 0, struct.pack("<I", 0x4000).ljust(208, b"\\0")))
        """, f"{FILTER}, no capability", said=DENIED),
    probe("renames the machine", KIND, """
        return each(host=lambda: syscall("sethostname", b"mine", 4), domain=lambda: syscall("setdomainname", b"mine", 4),
                    file=lambda: open("/proc/sys/kernel/hostname", "w"))
        """, "own namespace, no capability", said=only("EPERM", "EACCES", "EROFS", "ENOSYS")),
    probe("listens to its own system calls", KIND, """
        import ctypes, struct
        allow = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0x7fff0000), 8)
        program = struct.pack("<H6xQ", 1, ctypes.addressof(allow))
        return f"listener {syscall('seccomp', 1, 8, program)}"
        """, FILTER, said=DENIED),
    probe("reads the user's keys", KIND, """
        import ctypes
        names = {"thread": -1, "process": -2, "session": -3, "user": -4, "user's session": -5}
        return each(add=lambda: syscall("add_key", b"user", MARK.encode(), b"x", 1, -2),
                    request=lambda: syscall("request_key", b"user", MARK.encode(), None, 0), join=lambda: syscall("keyctl", 1, None),
                    **{name: lambda number=number: syscall("keyctl", 11, number, ctypes.create_string_buffer(64), 64)
                       for name, number in names.items()})
        """, FILTER, said=DENIED),
    probe("reads the lists of keys", KIND, """
        return [name for name in ("keys", "key-users") if open("/proc/" + name).read()]
        """, "covered in /proc", said="^probe: (absent|EACCES)$", works="^probe: OPEN"),
    probe("reads the kernel's memory by /proc", KIND, """
        names = ("kcore", "kmsg", "kpagecount", "kpageflags", "vmallocinfo", "slabinfo", "pagetypeinfo", "1/stack")
        return each(**{name: lambda name=name: open("/proc/" + name, "rb", 0).read(8) for name in names})
        """, "another user, no capability", said=only("EACCES", "EPERM", "ENOENT")),
    # -- terminals --
    probe("types into a terminal", KIND, """
        import ctypes, pty
        master, own = os.openpty()
        letter = ctypes.create_string_buffer(b"x")
        def type(number):
            pid = os.fork()
            if not pid:
                os.setsid()
                try:
                    syscall("ioctl", own, 0x540E, 0)  # a terminal of its own, which it may type into
                    syscall("ioctl", own, number, letter)
                    os._exit(0)
                except OSError as error:
                    os._exit(error.errno)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if code:
                raise OSError(code, os.strerror(code))
        return each(type=lambda: type(0x5412), high=lambda: type(0x1_0000_5412), higher=lambda: type(0x7FFF_FFFF_0000_5412),
                    select=lambda: type(0x541C), high_select=lambda: type(0x1_0000_541C), discipline=lambda: type(0x5423))
        """, FILTER, said=only("EPERM")),
    probe("opens the harness's terminal", KIND, """
        return each(own=lambda: open("/dev/tty"), console=lambda: open("/dev/console"), first=lambda: open("/dev/tty1"),
                    **{f"pts {n}": lambda n=n: open(f"/dev/pts/{n}") for n in range(4)})
        """, "own session, own /dev", said=only("ENXIO", "ENOENT", "EIO", "EACCES", "EPERM")),
    # -- what might be inherited --
    probe("enters the first process's namespaces", KIND, """
        def enter(name):
            syscall("setns", os.open("/proc/1/ns/" + name, os.O_RDONLY), 0)
        names = ("mnt", "net", "pid", "user", "uts", "ipc", "cgroup", "time")
        own = {f"own {name}": lambda name=name: syscall("setns", os.open("/proc/self/ns/" + name, os.O_RDONLY), 0) for name in names}
        return each(**own, **{name: lambda name=name: enter(name) for name in names})
        """, f"{FILTER}, no capability", said=only("EPERM", "EACCES", "ENOSYS", "EINVAL")),
    probe("uses descriptors of the harness", KIND, """
        return each(secret=lambda: os.read(SECRET_FD, 100), root=lambda: os.open("etc/shadow", os.O_RDONLY, dir_fd=ROOT_FD),
                    names=lambda: os.listdir(ROOT_FD), state=lambda: os.fstat(SECRET_FD))
        """, "all descriptors closed", said=only("EBADF")),
    probe("finds descriptors that were left open", KIND, """
        own = {name: os.readlink("/proc/self/fd/" + name) for name in os.listdir("/proc/self/fd")
               if os.path.lexists("/proc/self/fd/" + name)}
        return {name: target for name, target in own.items()
                if not target.startswith("pipe:") and target != "/dev/null" and not target.startswith("/proc/")}
        """, "all descriptors closed", said="^probe: absent$"),
    probe("opens descriptors of the first process", KIND, """
        found = []
        for name in os.listdir("/proc/1/fd"):
            target = os.readlink("/proc/1/fd/" + name)
            found += [target] * target.startswith("/") * (target not in ("/dev/null", "/"))
        return found
        """, "another user, or nothing there", said="^probe: (absent|EACCES|EPERM)$"),
    probe("reads secrets of the environment", KIND, """
        return {name: value for name, value in os.environ.items()
                if any(word in name for word in ("KEY", "SECRET", "TOKEN", "STARTUP", "PASSWORD")) or HOST in value}
        """, "empty environment", said="^probe: absent$"),
    # -- sockets, where no network is allowed --
    probe("opens internet sockets without leave", "network", """
        import socket
        return each(stream=lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM), datagram=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
                    six=lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM), route=lambda: socket.socket(16, 3, 0),
                    high=lambda: syscall(SOCKET_CALL, 0x1_0000_0002, 1, 0))
        """.replace("SOCKET_CALL", '198 if os.uname().machine == "aarch64" else 41'), FILTER,
          said=only("EPERM", "ENOSYS", "EAFNOSUPPORT"), works="^probe: OPEN"),
    probe("opens sockets of odd families", "network", """
        import socket
        return each(cipher=lambda: socket.socket(38, 5), vsock=lambda: socket.socket(40, 1), bluetooth=lambda: socket.socket(31, 3),
                    packet=lambda: socket.socket(17, 3), can=lambda: socket.socket(29, 3), express=lambda: socket.socket(44, 3))
        """, FILTER, said=only("EPERM", "ENOSYS", "EACCES", "EAFNOSUPPORT")),
]


class TestKernel(Stopped):
    """A night of odd system calls."""
