"""What every attacker is given, as a file of the track: a way to say what happened, and system calls by name."""

import errno
import os
import platform
import signal

_NUMBERS = {  # name: (x86-64, aarch64); None where the machine has no such call
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280), "capget": (125, 90),
    "capset": (126, 91), "chroot": (161, 51), "clock_adjtime": (305, 266), "clock_settime": (227, 112), "clone": (56, 220),
    "clone3": (435, 435), "delete_module": (176, 106), "fanotify_init": (300, 262), "fchmodat": (268, 53),
    "fchmodat2": (452, 452), "finit_module": (313, 273), "fsconfig": (431, 431), "fsmount": (432, 432), "fsopen": (430, 430),
    "fspick": (433, 433), "getpid": (39, 172), "init_module": (175, 105), "inotify_init1": (294, 26), "io_setup": (206, 0),
    "io_uring_enter": (426, 426), "io_uring_setup": (425, 425), "ioctl": (16, 29), "ioperm": (173, None), "iopl": (172, None),
    "ioprio_set": (251, 30), "kcmp": (312, 272), "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219),
    "lookup_dcookie": (212, 18), "memfd_create": (319, 279), "memfd_secret": (447, 447), "migrate_pages": (256, 238),
    "mknodat": (259, 33), "mlock": (149, 228), "modify_ldt": (154, None), "mount": (165, 40), "mount_setattr": (442, 442),
    "move_mount": (429, 429), "move_pages": (279, 239), "msgget": (68, 186), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "open_tree": (428, 428), "openat": (257, 56), "openat2": (437, 437),
    "perf_event_open": (298, 241), "personality": (135, 92), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434),
    "pivot_root": (155, 41), "prctl": (157, 167), "prlimit64": (302, 261), "process_madvise": (440, 440),
    "process_mrelease": (448, 448), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117),
    "quotactl": (179, 60), "reboot": (169, 142), "request_key": (249, 218), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "seccomp": (317, 277), "semget": (64, 190), "setdomainname": (171, 162),
    "setgroups": (116, 159), "sethostname": (170, 161), "setns": (308, 268), "setresgid": (119, 149), "setresuid": (117, 147),
    "settimeofday": (164, 170), "setuid": (105, 146), "setxattr": (188, 5), "shmat": (30, 196), "shmget": (29, 194),
    "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97),
    "userfaultfd": (323, 282), "vhangup": (153, 58), "vmsplice": (278, 75),
}


def syscall(name, *arguments):
    """Make a system call: integers, bytes and ctypes objects. Its result; raises OSError with its errno."""
    import ctypes

    number = name if isinstance(name, int) else _NUMBERS[name][platform.machine() == "aarch64"]
    if number is None:
        raise OSError(errno.ENOSYS, "no such call on this machine")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    got = libc.syscall(ctypes.c_long(number), *words)
    if got == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return got


def say(what):
    """One line that the test reads in the run's log."""
    print("probe:", what, flush=True)


class Refused(Exception):
    """None of several attempts got anything; its text names the errors that they met, each once."""


def each(**attempts):
    """Make several attempts and say what came of each. What those got that met no error; Refused where all met one."""
    got, errors = [], set()
    for name, attempt in attempts.items():
        try:
            got.append(f"{name}: {attempt()!r}")
        except OSError as error:
            errors.add(errno.errorcode.get(error.errno, "EUNKNOWN"))
            print(f"  {name}: {os.strerror(error.errno)}")
    if not got:
        raise Refused(" ".join(sorted(errors)))
    return "; ".join(got)


def ended(attempt):
    """Make an attempt in a child. How that ended: "SIGSYS", "status 0", or the error's name."""
    pid = os.fork()
    if not pid:
        try:
            attempt()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return errno.errorcode.get(os.WEXITSTATUS(status), "status 0")


def tried(attempt):
    """Say how an attempt went: the error's name; "absent" where it got nothing; "OPEN" and what it got."""
    try:
        got = attempt()
    except Refused as refused:
        say(refused)
    except OSError as error:
        say(errno.errorcode.get(error.errno, "EUNKNOWN"))
    except Exception as error:  # noqa: BLE001  whatever it met is what it saw
        say(type(error).__name__)
    else:
        say(f"OPEN {got!r}"[:300] if got else "absent")
