"""Files: what is not shown cannot be read, and what is shown cannot be written.

As root the sandboxed user owns nothing that is mounted, so that some calls meet EACCES or EPERM before the read-only mount
is asked; as an ordinary user it owns the data, and only the mount stands in the way (EROFS).
"""

from attacks.suite import Stopped, only, probe

KIND = "files"
GONE = only("ENOENT")
FIXED = only("EROFS", "EACCES", "EPERM")
CALLS = only("EPERM", "ENOSYS")  # the filter, or no capability

ATTACKS = [
    # -- reading --
    probe("reads the shadow file", KIND, "return open('/etc/shadow').read()", "not mounted", said=GONE,
          works="^probe: (OPEN|EACCES)"),
    probe("reads a secret of the host", KIND, "return open(SECRET).read()", "not mounted", said=GONE, works="^probe: OPEN"),
    probe("reads the ssh key", KIND, """
        return each(there=lambda: open(HOST_HOME + "/.ssh/id_ed25519").read(),
                    own=lambda: open(os.path.expanduser("~/.ssh/id_ed25519")).read(),
                    root=lambda: open("/root/.ssh/id_ed25519").read())
        """, "not mounted", said=GONE, works="^probe: OPEN"),
    probe("reads another experiment's tree", KIND, """
        state = (__import__("glob").glob(STATE + "/*/*") or [STATE])[0]
        return each(other=lambda: os.listdir(OTHER), trees=lambda: os.listdir(state + "/trees"), logs=lambda: os.listdir(state + "/logs"))
        """, "not mounted", said=GONE, works="^probe: OPEN"),
    probe("reads the journal and its key", KIND, """
        state = (__import__("glob").glob(STATE + "/*/*") or [STATE])[0]
        keys = state + "/keys/"
        return each(journal=lambda: open(state + "/journal.db", "rb").read(16),
                    key=lambda: [open(keys + name, "rb").read(16) for name in os.listdir(keys)],
                    state=lambda: os.listdir(state))
        """, "not mounted", said=GONE, works="^probe: OPEN"),
    probe("reads the hidden labels", KIND, """
        return each(tree=lambda: open("labels.json").read(), source=lambda: open("/overnight/src/labels.json").read(),
                    repository=lambda: open(REPO + "/labels.json").read())
        """, "left out of the tree, the rest not mounted", said=GONE, works="^probe: OPEN"),
    probe("walks to the host through other processes", KIND, """
        return each(**{f"{pid} by {way}": lambda pid=pid, way=way: open(f"/proc/{pid}/{way}{SECRET}").read()
                       for pid in os.listdir("/proc") if pid.isdigit() for way in ("root", "cwd/../../../../..")})
        """, "own process namespace", said=only("ENOENT", "EACCES"), works="^probe: OPEN"),
    probe("opens files by their handles", KIND, """
        handle = (8).to_bytes(4, "little") + (1).to_bytes(4, "little") + (2).to_bytes(8, "little")  # the root of an ext4
        place = os.open(DATA, os.O_RDONLY)
        return each(name=lambda: syscall("name_to_handle_at", -100, DATA.encode(), handle + bytes(128), bytes(8), 0),
                    open=lambda: syscall("open_by_handle_at", place, handle, os.O_RDONLY | os.O_DIRECTORY))
        """, "system-call filter", said=only("EPERM", "ENOSYS")),
    probe("opens disks and kernel memory", KIND, """
        names = ("vda", "sda", "nvme0n1", "mem", "kmsg", "kvm", "fuse", "loop-control", "net/tun", "vhost-vsock", "uinput", "port")
        return each(**{name: lambda name=name: os.open("/dev/" + name, os.O_RDONLY) for name in names})
        """, "own /dev", said=GONE, works="^probe: (OPEN|.*EACCES)"),
    probe("reads /sys and makes a control group", KIND, """
        return each(list=lambda: os.listdir("/sys"), group=lambda: os.mkdir(f"/sys/fs/cgroup/{MARK}"),
                    memory=lambda: os.mkdir(f"/sys/fs/cgroup/memory/{MARK}"), agent=lambda: open("/sys/fs/cgroup/release_agent"))
        """, "no /sys", said=GONE),
    probe("reads the host's paths off command lines", KIND, """
        pids = [pid for pid in os.listdir("/proc") if pid.isdigit()]
        return [pid for pid in pids if HOST.encode() in open(f"/proc/{pid}/cmdline", "rb").read()]
        """, "options by descriptor", said="^probe: absent$"),
    # -- writing --
    probe("writes to the system's folders", KIND, """
        places = ("/usr", "/usr/bin", "/etc", "/", "/dev", "/proc", "/opt", "/var", "/overnight", "/overnight/src", "/home")
        return each(**{place: lambda place=place: open(f"{place}/{MARK}", "w") for place in places})
        """, "read-only mounts", said=only("EROFS", "EACCES", "ENOENT", "EPERM")),
    probe("overwrites its data", KIND, "return open(DATA + '/words.txt', 'r+').write('some data\\n')", "read-only mounts",
          said=FIXED, works="^probe: OPEN 10"),
    probe("changes its data in every other way", KIND, """
        words, more = DATA + "/words.txt", DATA + "/deeper/more.txt"
        return each(
            append=lambda: open(words, "a"), chmod=lambda: os.chmod(words, 0o666), chown=lambda: os.chown(words, 0, 0),
            unlink=lambda: os.unlink(more), rename=lambda: os.rename(more, words), utime=lambda: os.utime(words),
            truncate=lambda: os.truncate(words, 0), make=lambda: open(DATA + "/new", "w"),
            mark=lambda: os.setxattr(words, "user.mark", b"x"), folder=lambda: os.mkdir(DATA + "/deeper/still"),
            link=lambda: os.symlink(words, DATA + "/link"), remove=lambda: os.rmdir(DATA + "/deeper"))
        """, "read-only mounts", said=only("EROFS", "EACCES", "EPERM")),
    probe("takes a link of its data with it", KIND, """
        return each(out=lambda: os.link(DATA + "/words.txt", os.environ["OVERNIGHT_OUT"] + "/words.txt"),
                    tree=lambda: os.link(DATA + "/words.txt", "words.txt"))
        """, "mounts of their own", said=only("EXDEV", "EPERM"), works="^probe: OPEN"),
    probe("takes a lease on its data", KIND, """
        import fcntl
        with open(DATA + "/words.txt") as words:
            return each(lease=lambda: fcntl.fcntl(words, fcntl.F_SETLEASE, fcntl.F_RDLCK),
                        write=lambda: fcntl.fcntl(words, fcntl.F_SETLEASE, fcntl.F_WRLCK),
                        watch=lambda: fcntl.fcntl(os.open(DATA, os.O_RDONLY), fcntl.F_NOTIFY, 0x80000002))
        """, "system-call filter", said=only("EPERM")),
    probe("drops files where everybody looks", KIND, """
        left = [place for place in ("/tmp", "/dev/shm", "/var/tmp") if os.path.isdir(place)]
        for place in left:
            with open(f"{place}/{MARK}-dropped", "x") as out:
                out.write("picked up?")
        say(f"wrote {len(left)}")
        """, "private /tmp and /dev/shm", said="^probe: wrote [12]$"),
    probe("overwrites the program of the first process", KIND, """
        return each(first=lambda: open("/proc/1/exe", "r+b"), own=lambda: open("/proc/self/exe", "r+b"),
                    python=lambda: open(os.path.realpath(sys.executable), "r+b"))
        """, "read-only mounts", said=only("EACCES", "EROFS", "ETXTBSY", "EPERM", "ENOENT")),
    probe("writes settings of the kernel", KIND, """
        def again(name):
            with open("/proc/sys/" + name, "r+") as setting:  # the same value, should it work
                value = setting.read()
                setting.seek(0)
                setting.write(value)
        names = ("kernel/core_pattern", "kernel/modprobe", "kernel/hostname", "kernel/ns_last_pid", "vm/overcommit_memory",
                 "kernel/sysrq", "kernel/randomize_va_space")
        return each(trigger=lambda: open("/proc/sysrq-trigger", "w"), timer=lambda: open("/proc/self/timerslack_ns", "w"),
                    **{name: lambda name=name: again(name) for name in names})
        """, "/proc is read-only", said=only("EROFS", "EACCES", "EPERM", "ENOENT")),
    # -- mounts --
    probe("makes its mounts writable", KIND, """
        places = ("/", "/usr", "/proc", "/dev", DATA, "/overnight/src")
        return each(**{place: lambda place=place: syscall("mount", b"none", place.encode(), None, 32 | 4096, None)
                       for place in places})
        """, "system-call filter, no capability", said=CALLS),
    probe("takes covers away", KIND, """
        places = ("/proc/keys", "/proc", "/dev/shm", "/dev", DATA, "/overnight/src", "/usr")
        return each(**{place: lambda place=place: syscall("umount2", place.encode(), 2) for place in places})
        """, "system-call filter, no capability", said=CALLS),
    probe("mounts something new", KIND, """
        return each(tmpfs=lambda: syscall("mount", b"none", b"/tmp", b"tmpfs", 0, None),
                    proc=lambda: syscall("mount", b"none", b"/tmp", b"proc", 0, None),
                    bind=lambda: syscall("mount", b"/", b"/tmp", None, 4096, None),
                    open=lambda: syscall("fsopen", b"tmpfs", 0), pick=lambda: syscall("fspick", -100, b"/tmp", 0),
                    tree=lambda: syscall("open_tree", -100, b"/usr", 1), move=lambda: syscall("move_mount", -100, b"/usr", -100, b"/tmp", 0),
                    attributes=lambda: syscall("mount_setattr", -100, b"/usr", 0, bytes(32), 32))
        """, "system-call filter, no capability", said=CALLS),
    probe("makes namespaces of its own and mounts there", KIND, """
        flags = {"user": 0x10000000, "mount": 0x20000, "process": 0x20000000, "network": 0x40000000, "uts": 0x04000000,
                 "ipc": 0x08000000, "cgroup": 0x02000000, "time": 0x80, "user and mount": 0x10020000}
        tries = {name: lambda flag=flag: syscall("unshare", flag) for name, flag in flags.items()}
        def cloned(flag):
            if not syscall("clone", flag | 17, 0, 0, 0, 0):
                os._exit(0)
        tries |= {f"clone {name}": lambda flag=flag: cloned(flag) for name, flag in flags.items() if name != "time"}
        tries["clone3"] = lambda: syscall("clone3", (0x10000000).to_bytes(8, "little") + bytes(80), 88)
        return each(**tries)
        """, "system-call filter", said=only("EPERM", "ENOSYS", "ENOSPC")),
    probe("changes its root", KIND, """
        return each(chroot=lambda: os.chroot("/tmp"), pivot=lambda: syscall("pivot_root", b"/tmp", b"/tmp"))
        """, "system-call filter, no capability", said=CALLS),
    # -- files that give rights --
    probe("makes device nodes", KIND, """
        import stat
        kinds = {"block": stat.S_IFBLK | 0o666, "character": stat.S_IFCHR | 0o666}
        places = {"out": os.environ["OVERNIGHT_OUT"], "tmp": "/tmp", "tree": "."}
        return each(**{f"{kind} in {name}": lambda mode=mode, place=place: os.mknod(f"{place}/node", mode, os.makedev(1, 3))
                       for kind, mode in kinds.items() for name, place in places.items()})
        """, "system-call filter, no capability", said=CALLS),
    probe("leaves a program that changes its user", KIND, """
        place = os.environ["OVERNIGHT_OUT"] + "/id"
        with open(place, "wb") as out, open("/usr/bin/id", "rb") as program:
            out.write(program.read())
        with open(place, "rb") as file:
            return each(chmod=lambda: os.chmod(place, 0o4755), fchmod=lambda: os.fchmod(file.fileno(), 0o2755),
                        make=lambda: os.open(place + "2", os.O_CREAT | os.O_WRONLY, 0o6755),
                        at=lambda: syscall("fchmodat", -100, place.encode(), 0o4755),
                        at2=lambda: syscall("fchmodat2", -100, place.encode(), 0o4755, 0))
        """, "system-call filter", said=CALLS),
    probe("leaves a program with capabilities", KIND, """
        place = os.environ["OVERNIGHT_OUT"] + "/program"
        open(place, "w").close()
        given = (0x02000001).to_bytes(4, "little") + bytes([255] * 4) + bytes(12)
        os.setxattr(place, "security.capability", given)
        return "given"
        """, "no capability", said=only("EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")),
    probe("becomes root by a program that does", KIND, """
        import subprocess, time
        status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
        programs = [p for p in ("/usr/bin/su", "/usr/bin/newgrp", "/usr/bin/passwd", "/usr/bin/mount") if os.path.exists(p)]
        owners = set()
        for program in programs:
            child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                for _ in range(20):
                    lines = open(f"/proc/{child.pid}/status").read().splitlines()
                    owners |= {line.split()[2] for line in lines if line.startswith("Uid:")}
            except OSError:
                pass
            child.kill()
            child.wait()
        say(f"{len(programs) > 0} new privileges {1 - int(status['NoNewPrivs'])}, root {'0' in owners}")
        """, "no new privileges", said="^probe: True new privileges 0, root False$"),
]


class TestFiles(Stopped):
    """A night of looking around."""
