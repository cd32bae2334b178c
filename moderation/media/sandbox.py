"""The sandbox: what a process gives up before it touches a hostile file.

Everything that it needs is imported and open by then. Afterwards it can read and write what is
open, compute, and end; each layer alone would stop most of what an attacker wants.

    rlimits        memory, processor time, descriptors; no files are written, no cores dumped
    no_new_privs   no program can give it rights that it does not have
    landlock       no path can be opened, no port connected to (Linux 5.13 and later)
    seccomp        no other system calls: no sockets, programs, processes (Linux, two architectures)
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys

from moderation.errors import ConfigurationError
from moderation.limits import MediaLimits
from moderation.media import landlock, seccomp

__all__ = ["LAYERS", "enter", "layers_here"]

LAYERS = ("rlimits", "no_new_privs", "landlock", "seccomp")
"""Names of the layers; that of Landlock is followed by its version."""

_PARENT_DEATH_SIGNAL, _NO_NEW_PRIVILEGES = 1, 38
"""Of `prctl`."""

_DESCRIPTORS = 64

_GRACE_S = 5
"""From the signal that processor time is over to the one that cannot be refused."""


def enter(limits: MediaLimits) -> tuple[str, ...]:
    """Lock this process in, for good; the layers that hold it.

    Raises `ConfigurationError` when `require_sandbox` is set and one of them is not to be had.
    """
    _limit(limits)
    _die_with_parent()
    layers = ["rlimits", *_kernel_layers()]
    missing = [name for name in LAYERS if not any(each.startswith(name) for each in layers)]
    if missing and limits.require_sandbox:
        raise ConfigurationError(
            f"the decoder cannot be locked in: this kernel has no {' and no '.join(missing)}",
            hint="run on Linux 5.13 or later, or set media.require_sandbox to false",
        )
    return tuple(layers)


def _limit(limits: MediaLimits) -> None:
    # Not RLIMIT_NPROC: it counts the threads of a user's other processes too, and seccomp leaves
    # no way to start processes.
    cpu_s = round(limits.decoder_cpu_s)
    wanted = {
        resource.RLIMIT_AS: (limits.decoder_memory, limits.decoder_memory),
        resource.RLIMIT_CPU: (cpu_s, cpu_s + _GRACE_S),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_NOFILE: (_DESCRIPTORS, _DESCRIPTORS),
    }
    for kind, (soft, hard) in wanted.items():
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def _die_with_parent() -> None:
    """Should the parent be killed; its pipes would tell, but not while a decoder hangs.

    The kernel sends it when the thread ends that started this process, so that thread has to wait.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _kernel_layers() -> list[str]:
    layers = []
    if sys.platform != "linux":
        return layers
    if ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
        layers.append("no_new_privs")
    known = landlock.version()
    if known and landlock.give_up(known):
        layers.append(f"landlock {known}")
    machine = seccomp.this_architecture()
    if machine and seccomp.install(machine, seccomp.decoder_filter(machine, os.getpid())):
        layers.append("seccomp")
    return layers


def layers_here() -> tuple[str, ...]:
    """What would hold a decoder on this machine: tried in a process of its own.

    Raises `ConfigurationError` when Python cannot even be started so.
    """
    command = [sys.executable, "-I", "-m", __name__]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigurationError(
            f"a decoder cannot be started: {done.stderr.strip().splitlines()[-1:]}",
            hint=f"try {' '.join(command)}",
        )
    return tuple(json.loads(done.stdout))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(enter(MediaLimits())))
