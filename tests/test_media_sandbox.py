"""The sandbox: each test starts a process that locks itself in and then tries one thing."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from moderation.config import MediaLimits
from moderation.detector import Audio, Frames
from moderation.errors import ConfigurationError
from moderation.media import MediaReader, landlock, seccomp
from moderation.media.sandbox import LAYERS
from moderation.source import Source
from moderation.testing.clips import BLACK, Clip, numbered, tone
from moderation.testing.decoding import decoded

linux = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")
LOCKED = pytest.mark.skipif(
    seccomp.this_architecture() is None or not landlock.version(),
    reason="this kernel has no Landlock, or this processor no table of calls",
)

HEAD = """
import ctypes, json, mmap, os, resource, select, signal, socket, subprocess, sys, threading
from moderation.config import MediaLimits
from moderation.media.sandbox import enter

def trying(what):
    try:
        return repr(what())
    except BaseException as error:
        return type(error).__name__

def say(value):
    os.write(1, str(value).encode())
"""


def locked(script: str, *, before: str = "", **limits: float) -> subprocess.CompletedProcess[str]:
    """Run a script in a process that has entered the sandbox; its stdout is a pipe."""
    enter = f"layers = enter(MediaLimits(**{limits!r}))"
    code = "\n".join((HEAD, textwrap.dedent(before), enter, textwrap.dedent(script)))
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def said(script: str, *, before: str = "", **limits: float) -> str:
    done = locked(script, before=before, **limits)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_layer_names_itself() -> None:
    names = said("say(','.join(layers))").split(",")
    assert {name.split()[0] for name in names} <= set(LAYERS)
    assert "rlimits" in names


@LOCKED
def test_all_layers_hold_where_the_kernel_has_them() -> None:
    names = [name.split()[0] for name in said("say(','.join(layers))").split(",")]
    assert tuple(names) == LAYERS


TRIES = {
    "reading a file": "open('/etc/passwd').read()",
    "reading a relative path": "os.listdir('.')",
    "opening its own descriptor anew": "os.open('/dev/fd/0', os.O_RDONLY)",
    "writing a file": "open('/tmp/moderation-was-here', 'w')",
    "a socket of TCP": "socket.socket()",
    "a socket of UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "a socket of Unix": "socket.socketpair()",
    "a child": "os.fork()",
    "a program": "os.execv('/bin/true', ['true'])",
    "a shell": "subprocess.run(['/bin/true'])",
    "memory with a name": "os.memfd_create('a')",
    "a signal to its parent": "os.kill(os.getppid(), 0)",
    "a signal to all": "os.kill(-1, 0)",
    "memory that is executed": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
    "more memory": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "another identity": "os.setuid(1)",
    "a pipe": "os.pipe()",
}


@LOCKED
@pytest.mark.parametrize("attempt", TRIES.values(), ids=TRIES)
def test_a_locked_process_cannot_have(attempt: str) -> None:
    result = said(f"say(trying(lambda: {attempt}))")
    assert result in {"PermissionError", "OSError", "ValueError", "error"}, result


@LOCKED
def test_other_calls_of_the_kernel_fail_too() -> None:
    """ptrace, process_vm_readv, bpf, io_uring_setup, unshare, mount, init_module, keyctl."""
    numbers = (101, 310, 321, 425, 272, 165, 175, 250)
    if seccomp.this_architecture() is not seccomp._X86_64:
        pytest.skip("numbers of x86-64")
    script = f"""
        libc = ctypes.CDLL(None, use_errno=True)
        say([libc.syscall(number, 0, 0, 0, 0, 0) for number in {numbers}])
    """
    assert said(script) == str([-1] * len(numbers))


@LOCKED
def test_the_second_table_of_calls_is_deadly() -> None:
    if seccomp.this_architecture() is not seccomp._X86_64:
        pytest.skip("x32 belongs to x86-64")
    done = locked("ctypes.CDLL(None).syscall(0x40000000 | 39)")
    assert done.returncode == -signal.SIGSYS


@linux
def test_a_listener_on_this_machine_hears_nothing() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        said(f"say(trying(lambda: socket.create_connection(('127.0.0.1', {port}), 1)))")
        with pytest.raises(TimeoutError):
            listener.accept()


@linux
def test_memory_ends_with_an_error_and_no_kill() -> None:
    assert said("say(trying(lambda: len(bytearray(4 << 30))))") == "MemoryError"


@linux
def test_processor_time_ends_with_a_signal() -> None:
    done = locked("while True: pass", decoder_cpu_s=1)
    assert done.returncode == -signal.SIGXCPU


@linux
def test_nothing_is_written_even_into_an_open_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    before = f"fd = os.open({str(file)!r}, os.O_WRONLY | os.O_CREAT)"
    assert said("say(trying(lambda: os.write(fd, b'a')))", before=before) == "OSError"
    assert file.read_bytes() == b""


@LOCKED
def test_descriptors_are_few() -> None:
    machine = seccomp.this_architecture()
    assert machine
    attempt = "say(trying(lambda: [os.dup(0) for _ in range(100)]))"
    assert said(attempt, before=without(machine.seccomp)) == "OSError"


@linux
def test_threads_still_start() -> None:
    script = """
        seen = []
        threads = [threading.Thread(target=seen.append, args=[n]) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say(sorted(seen))
    """
    assert said(script) == "[0, 1, 2, 3, 4, 5, 6, 7]"


@linux
def test_what_is_open_can_be_read_and_waited_for() -> None:
    script = """
        say(os.pread(fd, 4, 0))
        select.select([fd], [], [], 0)
    """
    assert said(script, before="fd = os.open(sys.executable, os.O_RDONLY)") == repr(b"\x7fELF")


@linux
@pytest.mark.parametrize(
    ("crash", "number"),
    [("os.abort()", signal.SIGABRT), ("ctypes.string_at(0)", signal.SIGSEGV)],
)
def test_a_crash_is_still_a_crash(crash: str, number: signal.Signals) -> None:
    assert locked(crash).returncode == -number


# Kernels that lack something


WITHOUT = """
import errno
from moderation.media import seccomp
machine = seccomp.this_architecture()
seccomp.install(machine, seccomp.refusing(machine, {numbers}, errno.ENOSYS))
"""


def without(*numbers: int) -> str:
    return WITHOUT.format(numbers=numbers)


@LOCKED
def test_fault_071_a_kernel_without_landlock_says_so() -> None:
    names = said("say(','.join(layers))", before=without(444)).split(",")
    assert names == ["rlimits", "no_new_privs", "seccomp"]


@LOCKED
def test_fault_071_a_kernel_without_seccomp_says_so() -> None:
    machine = seccomp.this_architecture()
    assert machine
    names = said("say(','.join(layers))", before=without(machine.seccomp)).split(",")
    assert [name.split()[0] for name in names] == ["rlimits", "no_new_privs", "landlock"]


@LOCKED
def test_fault_071_without_landlock_seccomp_still_opens_nothing() -> None:
    attempt = "say(trying(lambda: open('/etc/passwd')))"
    assert said(attempt, before=without(444)) == "PermissionError"


@LOCKED
def test_fault_071_without_seccomp_landlock_still_opens_nothing() -> None:
    machine = seccomp.this_architecture()
    assert machine
    attempt = "say(trying(lambda: open('/etc/passwd')))"
    assert said(attempt, before=without(machine.seccomp)) == "PermissionError"


@LOCKED
def test_fault_071_who_requires_the_sandbox_gets_no_decode_without_it() -> None:
    done = locked("", before=without(444), require_sandbox=True)
    assert done.returncode == 1
    assert "this kernel has no landlock" in done.stderr


# The decoder in it


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi", ".ts"])
def test_a_locked_decoder_decodes(tmp_path: Path, suffix: str) -> None:
    clip = Clip(320, 180, fps=10).show(2, numbered(10)).hear(tone(2)).write(tmp_path / f"a{suffix}")
    seen = decoded(clip, Frames(10), Audio(1))
    assert len(seen.frames) == 20
    assert seen.outcome.fault is None


def test_a_scan_knows_what_held_its_decoder(tmp_path: Path) -> None:
    clip = Clip(64, 48, fps=10).show(1, numbered(10)).write(tmp_path / "a.mp4")
    with Source.open(clip) as source, MediaReader(source) as media:
        media.probe()
        alone = subprocess.run(
            [sys.executable, "-I", "-m", "moderation.media.sandbox"],
            capture_output=True,
            check=True,
        )
        assert list(media.sandbox) == json.loads(alone.stdout)


def test_a_decoder_that_cannot_be_locked_in_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        without(444) + "\nfrom moderation.media.worker import main\nmain()\n"
        if seccomp.this_architecture()
        else "raise SystemExit"
    )
    if not landlock.version():
        pytest.skip("this kernel has no Landlock to take away")
    command = (sys.executable, "-I", str(script))
    monkeypatch.setattr("moderation.media.process._COMMAND", command)
    clip = Clip(64, 48, fps=10).show(1, BLACK).write(tmp_path / "a.mp4")
    with (
        Source.open(clip) as source,
        MediaReader(source, MediaLimits(require_sandbox=True)) as media,
        pytest.raises(ConfigurationError, match="this kernel has no landlock"),
    ):
        media.probe()
