"""seccomp: the system calls that a process may still make, as a filter in the kernel.

A list of what is allowed, never of what is not; the rest fails with EPERM, so that a C library
that asks for something odd goes on without it. Written out for two architectures, because the
numbers are the kernel's interface and never change; `libseccomp` is missing from slim images.

Source: linux/seccomp.h, linux/filter.h, and the tables of asm/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

__all__ = ["Architecture", "decoder_filter", "install", "this_architecture"]

Program: TypeAlias = list[tuple[int, int, int, int]]
"""BPF statements: code, jump if true, jump if false, constant."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000

_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`."""

_X32 = 0x40000000
"""Numbers from here on are x86-64's second table, which nobody uses but attackers."""

_SET_FILTER, _ALL_THREADS = 1, 1
_NO_NEW_PRIVILEGES = 38

_CLONE_THREAD = 0x00010000
_EXECUTABLE = 4
_SET_NAME = 15


class Architecture(NamedTuple):
    """What differs between processors.

    audit   the kernel's name for it
    seccomp number of the system call that installs a filter
    calls   numbers of system calls, by name
    """

    audit: int
    seccomp: int
    calls: Mapping[str, int]


_X86_64 = Architecture(0xC000003E, 317, {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9,
    "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
    "rt_sigreturn": 15, "pread64": 17, "readv": 19, "writev": 20, "select": 23,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "clone": 56,
    "exit": 60, "uname": 63, "gettimeofday": 96, "getrusage": 98, "sysinfo": 99, "times": 100,
    "sigaltstack": 131, "prctl": 157, "gettid": 186, "time": 201, "futex": 202,
    "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "exit_group": 231, "tgkill": 234, "newfstatat": 262, "pselect6": 270,
    "ppoll": 271, "set_robust_list": 273, "getrandom": 318, "rseq": 334, "clone3": 435,
})  # fmt: skip

_AARCH64 = Architecture(0xC00000B7, 277, {
    "close": 57, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66, "pread64": 67,
    "pselect6": 72, "ppoll": 73, "newfstatat": 79, "fstat": 80, "exit": 93, "exit_group": 94,
    "futex": 98, "set_robust_list": 99, "nanosleep": 101, "clock_gettime": 113,
    "clock_getres": 114, "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124,
    "restart_syscall": 128, "tgkill": 131, "sigaltstack": 132, "rt_sigaction": 134,
    "rt_sigprocmask": 135, "rt_sigreturn": 139, "times": 153, "uname": 160, "getrusage": 165,
    "prctl": 167, "gettimeofday": 169, "getpid": 172, "gettid": 178, "sysinfo": 179, "brk": 214,
    "munmap": 215, "mremap": 216, "clone": 220, "mmap": 222, "mprotect": 226, "madvise": 233,
    "getrandom": 278, "rseq": 293, "clone3": 435,
})  # fmt: skip

_ARCHITECTURES: Final = {"x86_64": _X86_64, "aarch64": _AARCH64}

_WITH_CONDITIONS: Final = frozenset({"clone", "clone3", "mmap", "mprotect", "prctl", "tgkill"})


def this_architecture() -> Architecture | None:
    """That of this machine; `None` where there is no table, or no Linux."""
    return _ARCHITECTURES.get(platform.machine()) if platform.system() == "Linux" else None


def decoder_filter(architecture: Architecture, pid: int) -> Program:
    """What a process that decodes needs once its libraries are loaded.

    Reading and writing what is open already, memory that is never executable, threads but no
    processes, time, randomness, and signals to itself, so that a crash is one. Opening anything,
    sockets, other programs and other processes are not among it.
    """
    calls = architecture.calls
    program = _start(architecture)
    program += _only_if(calls["clone"], 0, _ANY_BIT, _CLONE_THREAD)
    program += _answer(calls["clone3"], _ERRNO | errno.ENOSYS)  # then libc takes `clone`
    for name in ("mmap", "mprotect"):
        program += _unless(calls[name], 2, _ANY_BIT, _EXECUTABLE)
    program += _only_if(calls["prctl"], 0, _EQUAL, _SET_NAME)
    program += _only_if(calls["tgkill"], 0, _EQUAL, pid)
    for name in sorted(calls.keys() - _WITH_CONDITIONS):
        program += _answer(calls[name], _ALLOW)
    return [*program, (_RETURN, 0, 0, _ERRNO | errno.EPERM)]


def refusing(architecture: Architecture, numbers: Iterable[int], error: int) -> Program:
    """All calls are allowed but these: a kernel without them, for tests."""
    program = _start(architecture)
    for number in numbers:
        program += _answer(number, _ERRNO | error)
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def install(architecture: Architecture, program: Program) -> bool:
    """Lock all threads of this process in, for good; whether the kernel did it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    code = b"".join(struct.pack("<HBBI", *statement) for statement in program)
    statements = ctypes.create_string_buffer(code, len(code))
    length_and_address = struct.pack("@HP", len(program), ctypes.addressof(statements))
    return bool(
        libc.syscall(architecture.seccomp, _SET_FILTER, _ALL_THREADS, length_and_address) == 0
    )


def _start(architecture: Architecture) -> Program:
    """Kill for another architecture's numbers, which mean other calls; then load the number."""
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]


def _answer(number: int, answer: int) -> Program:
    return [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, answer)]


def _only_if(number: int, argument: int, test: int, value: int) -> Program:
    return _conditional(number, argument, test, value, _ALLOW, _ERRNO | errno.EPERM)


def _unless(number: int, argument: int, test: int, value: int) -> Program:
    return _conditional(number, argument, test, value, _ERRNO | errno.EPERM, _ALLOW)


def _conditional(
    number: int, argument: int, test: int, value: int, then: int, otherwise: int
) -> Program:
    """Looks at the lower half of the argument: all that are tested are 32 bits wide."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
        (test, 0, 1, value),
        (_RETURN, 0, 0, then),
        (_RETURN, 0, 0, otherwise),
    ]
