"""The system-call filter: a classic BPF program in plain Python, for `bwrap --seccomp` on x86-64 and aarch64.

Covered: what namespaces, mounts and limits leave open to a process. Every call in `DENIED` is answered with its errno
and never reaches the kernel's code for it; so is every call newer than the last that was looked at. The other
architectures of the same processor (i386, x32, 32-bit Arm) end the process at once, so that no call has two numbers.
Arguments are compared as the kernel takes them: in the low 32 bits of an int, in all 64 of a long. A number that the
running kernel does not know is only a number, so nothing fails on an older one.
Not covered: what pointers point to (calls that keep their flags in memory are refused whole); paths, which are for the
mounts; errors in the calls that stay; reaching a unix socket that lies in a mounted folder; flock on a read-only file;
and the user's share of pipes, epoll watches and queued signals. Shared memory that a process lets go of without
freeing it is counted by a cgroup alone.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from errno import EAFNOSUPPORT, EINVAL, ENOMEM, ENOSYS, EOPNOTSUPP, EPERM
from functools import cache
from typing import NamedTuple

from overnight.contracts import Network
from overnight.errors import SandboxMissing

ALL = 0xFFFFFFFF  # the 32 bits of a word of BPF


class Check(NamedTuple):
    """A question about one argument: are its bits under `mask` among `values` (or, with inside=False, not among them)?

    word  which 32 bits: 2n is the low half of argument n, 2n + 1 the high half
    """

    word: int
    values: tuple[int, ...]
    mask: int = ALL
    inside: bool = True


AnyOf = tuple[tuple[Check, ...], ...]  # holds when all checks of any of these hold


class Rule(NamedTuple):
    """One refused call.

    x86_64, aarch64  its number there; None where it does not exist
    errno            what the caller is told; 0: that it was done, though nothing was
    why              what it would open, or which of its uses are refused
    when             empty: refused always
    """

    x86_64: int | None
    aarch64: int | None
    errno: int
    why: str
    when: AnyOf = ()


class Machine(NamedTuple):
    """What sets one processor apart.

    arch    AUDIT_ARCH_* of its 64-bit calls
    known   the calls that were looked at, one by one: what is neither here nor killed is answered with ENOSYS
    killed  numbers of another architecture that the kernel tells apart by a bit
    """

    arch: int
    known: tuple[range, ...]
    killed: range


# Since Linux 5.1 a new call has the same number everywhere, from 424 on. The last that was judged is 462, mseal (6.10).
# No program needs a later one: it has to run on older kernels too, where it is answered with ENOSYS as well.
# 335 on x86-64 is the trampoline of a tracer on the host, and does nothing elsewhere. -1 is what programs use for a
# call that they know not to exist, and no number of x32.
MACHINES = {
    "x86_64": Machine(0xC000003E, (range(336), range(424, 463)), range(0x40000000, ALL)),
    "aarch64": Machine(0xC00000B7, (range(244), range(260, 295), range(424, 463)), range(0)),
}


def _deny(errno: int, why: str, when: AnyOf = (), /, **calls: tuple[int | None, int | None]) -> dict[str, Rule]:
    return {name: Rule(*numbers, errno, why, when) for name, numbers in calls.items()}


def _any_of(argument: int, mask: int) -> AnyOf:
    return ((Check(2 * argument, (0,), mask, inside=False),),)


def _one_of(argument: int, *values: int) -> AnyOf:
    return ((Check(2 * argument, values),),)


def _none_of(argument: int, *values: int) -> AnyOf:
    return ((Check(2 * argument, values, inside=False),),)


# ---- arguments -------------------------------------------------------------------------------------------------

_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; NEWTIME is a signal in clone
_MAY_UNSHARE = 0x00040600  # CLONE_FS, CLONE_FILES, CLONE_SYSVSEM
_SET_ID = 0o6000  # S_ISUID, S_ISGID
_DEVICE = 0o020000  # in S_IFCHR and S_IFBLK, and in no other type of file that mknod makes
_CREATES = 0o100 | 0o20000000  # O_CREAT, __O_TMPFILE: without them open does not look at the mode
_TERMINAL = (0x5412, 0x541C, 0x541D, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD
_SOL_SOCKET, _BUFFERS = 1, (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF and their FORCE
_PRCTL = (35, 62, 78)  # PR_SET_MM, PR_SCHED_CORE, PR_FUTEX_HASH
_RESET_ON_FORK = 0x40000000  # SCHED_RESET_ON_FORK
_LEASES = (1024, 1026, 1040)  # F_SETLEASE, F_NOTIFY, F_SETDELEG
_PAGES_OUT = (20, 21)  # MADV_COLD, MADV_PAGEOUT
_HUGE = 0x40000  # MAP_HUGETLB
_NOWAIT = 8  # RWF_NOWAIT
_NEW_LISTENER = 8  # SECCOMP_FILTER_FLAG_NEW_LISTENER
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_STREAM, _DGRAM, _TYPE = 1, 2, 0xF  # the bits above are SOCK_CLOEXEC and SOCK_NONBLOCK
_TCP, _UDP, _ROUTE = 6, 17, 0

_LOOPBACK = (
    (Check(0, (_UNIX, _INET, _INET6, _NETLINK), inside=False),),
    (Check(0, (_INET, _INET6)), Check(2, (_STREAM, _DGRAM), _TYPE, inside=False)),
    (Check(0, (_INET, _INET6)), Check(4, (0, _TCP, _UDP), inside=False)),
    (Check(0, (_NETLINK,)), Check(4, (_ROUTE,), inside=False)),
)


def _opens(flags: int) -> AnyOf:
    """open and its kin: a new file, with a mode (the next argument) that gives away its owner's rights."""
    return ((Check(2 * flags, (0,), _CREATES, inside=False), Check(2 * flags + 2, (0,), _SET_ID, inside=False)),)


# ---- the table -------------------------------------------------------------------------------------------------

_MODES = "setuid and setgid bits: the file would lend its owner's rights"
_NODES = "devices, and setuid and setgid bits; pipes and plain files stay"
_FAMILY = "families of sockets but AF_UNIX; with a loopback network, TCP, UDP and NETLINK_ROUTE too"

DENIED: dict[str, Rule] = {
    **_deny(EPERM, "other processes: read, steered, robbed of descriptors, compared",
            ptrace=(101, 117), process_vm_readv=(310, 270), process_vm_writev=(311, 271), pidfd_getfd=(438, 438),
            kcmp=(312, 272), process_madvise=(440, 440), process_mrelease=(448, 448)),
    **_deny(EPERM, "new namespaces; CLONE_FS, CLONE_FILES and CLONE_SYSVSEM stay",
            ((Check(0, (0,), ALL ^ _MAY_UNSHARE, inside=False),), (Check(1, (0,), inside=False),)), unshare=(272, 97)),
    **_deny(EPERM, "new namespaces: the flags CLONE_NEW*", _any_of(0, _NAMESPACES), clone=(56, 220)),
    **_deny(ENOSYS, "flags in memory, where a filter cannot look; C libraries fall back on the older call",
            clone3=(435, 435), openat2=(437, 437)),
    **_deny(EPERM, "namespaces of others", setns=(308, 268)),
    **_deny(EPERM, "mounts, by the old calls and the new",
            mount=(165, 40), umount2=(166, 39), pivot_root=(155, 41), chroot=(161, 51), open_tree=(428, 428),
            move_mount=(429, 429), fsopen=(430, 430), fsconfig=(431, 431), fsmount=(432, 432), fspick=(433, 433),
            mount_setattr=(442, 442)),
    **_deny(ENOSYS, "paths of the host in the list of mounts; the older way is /proc/self/mountinfo",
            statmount=(457, 457), listmount=(458, 458)),
    **_deny(EPERM, "files by handle, past every mount", name_to_handle_at=(303, 264), open_by_handle_at=(304, 265)),
    **_deny(EPERM, _MODES, _any_of(1, _SET_ID), chmod=(90, None), fchmod=(91, 52), creat=(85, None)),
    **_deny(EPERM, _MODES, _any_of(2, _SET_ID), fchmodat=(268, 53), fchmodat2=(452, 452)),
    **_deny(EPERM, _MODES, _opens(1), open=(2, None)),
    **_deny(EPERM, _MODES, _opens(2), openat=(257, 56)),
    **_deny(EPERM, _NODES, _any_of(1, _SET_ID | _DEVICE), mknod=(133, None)),
    **_deny(EPERM, _NODES, _any_of(2, _SET_ID | _DEVICE), mknodat=(259, 33)),
    **_deny(ENOSYS, "io_uring: calls that no filter sees", io_uring_setup=(425, 425), io_uring_enter=(426, 426),
            io_uring_register=(427, 427)),
    **_deny(ENOSYS, "asynchronous I/O: its contexts are counted for the whole machine",
            io_setup=(206, 0), io_destroy=(207, 1), io_submit=(209, 2), io_cancel=(210, 3), io_getevents=(208, 4),
            io_pgetevents=(333, 292)),
    **_deny(ENOSYS, "watches on files: few, and shared with the user outside",
            inotify_init=(253, None), inotify_init1=(294, 26), inotify_add_watch=(254, 27), inotify_rm_watch=(255, 28),
            fanotify_init=(300, 262), fanotify_mark=(301, 263)),
    **_deny(0, "the host's cache of files emptied, so that another run finds it cold; told that it was done",
            fadvise64=(221, 223)),
    **_deny(EINVAL, "the same by memory: MADV_COLD and MADV_PAGEOUT, as before Linux 5.4", _one_of(2, *_PAGES_OUT),
            madvise=(28, 233)),
    **_deny(ENOSYS, "what the host has in its cache of files", cachestat=(451, 451)),
    **_deny(EOPNOTSUPP, "the same: RWF_NOWAIT, as on a file system without it", _any_of(5, _NOWAIT), preadv2=(327, 286)),
    **_deny(ENOMEM, "huge pages that are set aside for the whole machine and in no account (MAP_HUGETLB)",
            _any_of(3, _HUGE), mmap=(9, 222)),
    **_deny(EPERM, "other processes' limits, the first one's among them: by one on CPU time it would die as if from outside",
            tuple((Check(0, (0,), inside=False), Check(half, (0,), inside=False)) for half in (4, 5)), prlimit64=(302, 261)),
    **_deny(EPERM, "keys, which no namespace holds", add_key=(248, 217), request_key=(249, 218), keyctl=(250, 219)),
    **_deny(EPERM, "programs in the kernel, its counters, faults served by a process",
            bpf=(321, 280), perf_event_open=(298, 241), userfaultfd=(323, 282)),
    **_deny(EPERM, "a filter that hands calls to another process (SECCOMP_FILTER_FLAG_NEW_LISTENER)",
            _any_of(1, _NEW_LISTENER), seccomp=(317, 277)),
    **_deny(EPERM, "PR_SET_MM (another name in /proc), PR_SCHED_CORE (cores held from others) and PR_FUTEX_HASH (kernel "
            "memory by the gigabyte)", _one_of(0, *_PRCTL), prctl=(157, 167)),
    **_deny(EPERM, "personalities but Linux: no random addresses, executable data",
            _none_of(0, 0, ALL), personality=(135, 92)),
    **_deny(EPERM, "words put into a terminal (TIOCSTI, TIOCLINUX), another console or line discipline (TIOCCONS, TIOCSETD)",
            _one_of(1, *_TERMINAL), ioctl=(16, 29)),
    **_deny(EPERM, "leases and signals on files (F_SETLEASE, F_SETDELEG, F_NOTIFY): a process outside that opens the file "
            "waits for 45 seconds; other locks stay", _one_of(1, *_LEASES), fcntl=(72, 25)),
    **_deny(EAFNOSUPPORT, _FAMILY, _none_of(0, _UNIX), socket=(41, 198)),
    **_deny(EAFNOSUPPORT, "pairs of sockets but AF_UNIX", _none_of(0, _UNIX), socketpair=(53, 199)),
    **_deny(ENOSYS, "System V memory, queues and semaphores: bytes of no process",
            shmget=(29, 194), shmat=(30, 196), shmctl=(31, 195), shmdt=(67, 197), msgget=(68, 186), msgsnd=(69, 189),
            msgrcv=(70, 188), msgctl=(71, 187), semget=(64, 190), semop=(65, 193), semctl=(66, 191),
            semtimedop=(220, 192)),
    **_deny(EPERM, "memory that is in no process's size; allowed where a cgroup counts it",
            memfd_create=(319, 279), memfd_secret=(447, 447)),
    **_deny(0, "larger buffers of sockets, in no process's size either; told that it was done; allowed where a cgroup counts",
            ((Check(2, (_SOL_SOCKET,)), Check(4, _BUFFERS)),), setsockopt=(54, 208)),
    **_deny(0, "cores but those that the harness chose; told that it was done, for OpenMP gives up the program otherwise",
            sched_setaffinity=(203, 122)),
    **_deny(EPERM, "another scheduler than SCHED_OTHER", _any_of(1, ALL ^ _RESET_ON_FORK), sched_setscheduler=(144, 119)),
    **_deny(EPERM, "a place before others on a core or a disk", sched_setattr=(314, 274), ioprio_set=(251, 30)),
    **_deny(ENOSYS, "where memory lies, its own and others'; as on a kernel without NUMA",
            mbind=(237, 235), set_mempolicy=(238, 237), get_mempolicy=(239, 236), migrate_pages=(256, 238),
            move_pages=(279, 239), set_mempolicy_home_node=(450, 450)),
    **_deny(EPERM, "the clock", settimeofday=(164, 170), clock_settime=(227, 112), adjtimex=(159, 171),
            clock_adjtime=(305, 266)),
    **_deny(0, "flushing the host's disks by one of its files; what a run may write lies in memory", fsync=(74, 82),
            fdatasync=(75, 83), sync_file_range=(277, 84)),
    **_deny(0, "the same by memory: MS_SYNC", _any_of(2, 4), msync=(26, 227)),
    **_deny(EPERM, "writing back every disk of the host", sync=(162, 81), syncfs=(306, 267)),
    **_deny(EPERM, "the machine itself: log, quotas, accounts, swap, power, kernels, modules, ports, terminals",
            syslog=(103, 116), quotactl=(179, 60), quotactl_fd=(443, 443), acct=(163, 89), swapon=(167, 224),
            swapoff=(168, 225), reboot=(169, 142), kexec_load=(246, 104), kexec_file_load=(320, 294),
            init_module=(175, 105), finit_module=(313, 273), delete_module=(176, 106), iopl=(172, None),
            ioperm=(173, None), vhangup=(153, 58)),
    **_deny(ENOSYS, "old or rare calls that nothing here needs",
            modify_ldt=(154, None), uselib=(134, None), ustat=(136, None), sysfs=(139, None), _sysctl=(156, None),
            lookup_dcookie=(212, 18), nfsservctl=(180, 42), remap_file_pages=(216, 234), lsm_set_self_attr=(460, 460)),
}
COUNTED_BY_CGROUP = ("memfd_create", "memfd_secret", "setsockopt")
TO_FORK = ("unshare", "mount", "umount2", "pivot_root", "sched_setaffinity")  # what makes a sandbox within one


# ---- the program -----------------------------------------------------------------------------------------------

# What an instruction does, of <linux/bpf_common.h>; A is the one register.
_LOAD, _AND, _JUMP = 0x20, 0x54, 0x05  # A = the word at k of struct seccomp_data; A &= k; skip k instructions
_IF_EQUAL, _IF_AT_LEAST = 0x15, 0x35  # skip jt instructions if it holds of A and k, else jf; both are one byte
_RETURN = 0x06
_SIZE = 8  # bytes of one instruction
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data


def _op(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jt, jf, k)


ALLOW = _op(_RETURN, 0x7FFF0000)  # SECCOMP_RET_ALLOW
KILL = _op(_RETURN, 0x80000000)  # SECCOMP_RET_KILL_PROCESS


def _refuse(errno: int) -> bytes:
    return _op(_RETURN, 0x00050000 | errno)  # SECCOMP_RET_ERRNO


@cache
def program(network: Network = "none", memory_bounded: bool = False, machine: str = "", forks: bool = False) -> bytes:
    """The filter, an array of struct sock_filter. `memory_bounded` where a cgroup counts every page; `machine` as uname
    has it, by default this one; `forks`: for a process that makes sandboxes within its own, each of which takes the whole
    filter besides. Raises SandboxMissing for a processor that it was not written for."""
    machine = machine or os.uname().machine
    if machine not in MACHINES:
        raise SandboxMissing(f"there is no system-call filter for {machine} yet: run Overnight on x86-64 or aarch64, "
                             "or choose `--sandbox none` for code that you trust.")
    which = MACHINES[machine]
    answers = {number: _answer(rule) for rule in rules(network, memory_bounded, forks).values()
               if (number := getattr(rule, machine)) is not None}
    foreign = _op(_LOAD, _ARCH) + _op(_IF_EQUAL, which.arch, jt=1) + KILL
    return foreign + _op(_LOAD, _NUMBER) + _search(_stretches(which, answers))


def rules(network: Network = "none", memory_bounded: bool = False, forks: bool = False) -> dict[str, Rule]:
    """`DENIED`, as it is for this network, with or without a cgroup that counts memory, and for a process that forks."""
    chosen = dict(DENIED)
    if network == "loopback":
        chosen["socket"] = chosen["socket"]._replace(when=_LOOPBACK)
    left_out = {*(COUNTED_BY_CGROUP if memory_bounded else ()), *(TO_FORK if forks else ())}
    return {name: rule for name, rule in chosen.items() if name not in left_out}


def _stretches(machine: Machine, answers: Mapping[int, bytes]) -> list[tuple[int, bytes]]:
    """All numbers as stretches with one answer each: (first number, code), sorted."""
    spans = [*machine.known, machine.killed, *(range(n, n + 1) for n in answers)]
    stretches: list[tuple[int, bytes]] = []
    for first in sorted({0, *(edge for span in spans if span for edge in (span.start, span.stop))}):
        code = answers.get(first) or _default(machine, first)
        if not stretches or stretches[-1][1] != code:
            stretches.append((first, code))
    return stretches


def _default(machine: Machine, number: int) -> bytes:
    if number in machine.killed:
        return KILL
    return ALLOW if any(number in span for span in machine.known) else _refuse(ENOSYS)


def _search(stretches: list[tuple[int, bytes]]) -> bytes:
    """Code that halves the stretches until one is left: seven or eight comparisons for any call."""
    if len(stretches) == 1:
        return stretches[0][1]
    half = len(stretches) // 2
    below, above = _search(stretches[:half]), _search(stretches[half:])
    first, far = stretches[half][0], len(below) // _SIZE
    if far < 256:
        return _op(_IF_AT_LEAST, first, jt=far) + below + above
    return _op(_IF_AT_LEAST, first, jf=1) + _op(_JUMP, far) + below + above


def _answer(rule: Rule) -> bytes:
    """Code that answers one call."""
    if not rule.when:
        return _refuse(rule.errno)
    return b"".join(_refuse_if(checks, rule.errno) for checks in rule.when) + ALLOW


def _refuse_if(checks: tuple[Check, ...], errno: int) -> bytes:
    """Code that refuses when all checks hold, and runs on past its end when one does not. Made from the end back."""
    code = _refuse(errno)
    for check in reversed(checks):
        code = _ask(check, len(code) // _SIZE) + code
    return code


def _ask(check: Check, past: int) -> bytes:
    """Code that runs on when a check holds, and skips `past` instructions more when it does not."""
    code = _op(_LOAD, _ARGUMENTS + 4 * check.word)
    if check.mask != ALL:
        code += _op(_AND, check.mask)
    found, missed = (0, past) if check.inside else (past, 0)
    for left in reversed(range(len(check.values))):
        code += _op(_IF_EQUAL, check.values[-1 - left], jt=left + found, jf=0 if left else missed)
    return code
