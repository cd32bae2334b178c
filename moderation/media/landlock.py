"""Landlock: a process gives up the file system and the network, where the kernel has it.

A ruleset that handles every right and grants none: nothing can be opened by its path any more.
Source: linux/landlock.h; the numbers of the calls are the same on all architectures.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

__all__ = ["give_up", "version"]

_CREATE, _RESTRICT = 444, 446
_VERSION = 1

_FILES = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights on files there are, from each version of the interface on."""

_NETWORK_VERSION, _TCP = 4, 0b11
"""To bind to a port of TCP, and to connect."""

_SCOPE_VERSION, _SCOPES = 6, 0b11
"""Sockets without a path, and signals, of processes outside."""


def version() -> int:
    """Of the kernel's interface; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE, None, 0, _VERSION)))


def give_up(known: int) -> bool:
    """Give everything up that a kernel of this version can take; whether it took it.

    `no_new_privs` has to be set before. Holds for this thread and those that it starts.
    """
    attributes = _attributes(known)
    ruleset = _libc().syscall(_CREATE, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        return bool(_libc().syscall(_RESTRICT, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _attributes(known: int) -> bytes:
    """`struct landlock_ruleset_attr`: older kernels refuse fields that they do not know."""
    rights = max(count for since, count in _FILES.items() if since <= known)
    fields = [(1 << rights) - 1]
    if known >= _NETWORK_VERSION:
        fields.append(_TCP)
    if known >= _SCOPE_VERSION:
        fields.append(_SCOPES)
    return struct.pack(f"={len(fields)}Q", *fields)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
