"""Servers in processes of their own that do not outlive this one.

On Linux the kernel sees to it, even when this process is killed with SIGKILL: a few lines of Python ask for
``PR_SET_PDEATHSIG`` and then become the server (``execv``), so its process id is the one that we started and no
code runs between fork and exec. That signal comes when the *thread* that started the child ends, not the process
(``prctl(2)``), so a thread of its own starts each child and waits for it. Elsewhere there is only ``stop()`` (or
``atexit``, where a caller registers it): a killed parent leaves its server behind. What a killed parent always leaves
behind is the server's temporary directory.
"""

from __future__ import annotations

import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from os import getpid
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

HOST = "127.0.0.1"

# Below every system's ephemeral range (Linux starts at 32,768): there, while a server is down, a client that keeps
# reconnecting can be given the very port that it calls, is connected to itself, and the server cannot come back.
PORTS = range(15_000, 32_000)

KILL_SECONDS = 5.0
POLL_SECONDS = 0.05
TAIL_BYTES = 8_192

_BIND_TO_PARENT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
    sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent ended before its server began")
os.execv(sys.argv[2], sys.argv[2:])
"""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class ServerFailed(RuntimeError):  # noqa: N818 - it names what happened
    """The server ended before it answered, or did not answer in time; the message has its last lines."""


def free_ports(count: int) -> tuple[int, ...]:
    """Different ports on 127.0.0.1 that nobody listens on now, outside the ephemeral range."""
    with ExitStack() as held:
        ports: list[int] = []
        for port in random.sample(PORTS, len(PORTS)):
            if len(ports) == count:
                break
            probe = held.enter_context(socket.socket())
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            ports.append(port)
        return tuple(ports)


def accepts(port: int) -> bool:
    """Whether something on 127.0.0.1 accepts connections at this port."""
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def without_colour(text: str) -> str:
    """The text without ANSI colour codes."""
    return _ANSI.sub("", text)


class ServerProcess:
    """One run of one server: started once, ended once. Its output, both streams, is appended to a file."""

    def __init__(self, command: Sequence[str], *, output: Path, environ: Mapping[str, str]) -> None:
        """`command[0]` is the path of an executable; `environ` is all of the child's environment."""
        self._output = output
        self._process = _spawn(bound_to_parent(command), output, environ)

    @property
    def pid(self) -> int:
        """The server's own process id, for as long as it runs."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended; a stopped one (SIGSTOP) is running."""
        return self._process.poll() is None

    def wait_until(self, answers: Callable[[], bool], seconds: float) -> None:
        """Return once it answers.

        Raises ServerFailed when the process ends first, whatever its exit code (Tansu says 0 when its port is
        taken), or when it has not answered in `seconds`; it is not running then.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            code = self._process.poll()
            if code is not None:
                raise ServerFailed(f"it ended with {code} before it answered; its last lines:\n{self.last_lines()}")
            if answers():
                return
            time.sleep(POLL_SECONDS)
        self.kill()
        raise ServerFailed(f"it did not answer within {seconds:g} s; its last lines:\n{self.last_lines()}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal; to one that has ended, nothing."""
        self._process.send_signal(number)

    def terminate(self, grace_seconds: float) -> None:
        """End it with SIGTERM, and after `grace_seconds` with SIGKILL; it has ended on return."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)  # A stopped process keeps SIGTERM waiting.
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait(self, seconds: float) -> int | None:
        """Its exit code (negative: the signal that ended it), or None if it has not ended within `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it with SIGKILL; it has ended on return."""
        self.send(signal.SIGKILL)
        self._process.wait(KILL_SECONDS)

    def last_lines(self, count: int = 12) -> str:
        """The last lines of its output, or what there is within the last 8 KiB."""
        with self._output.open("rb") as written:
            written.seek(max(0, self._output.stat().st_size - TAIL_BYTES))
            text = without_colour(written.read().decode(errors="replace"))
        return "\n".join(text.splitlines()[-count:])


def bound_to_parent(command: Sequence[str]) -> list[str]:
    """The command under which Linux kills the server when the thread that started it ends; elsewhere unchanged."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _BIND_TO_PARENT, str(getpid()), *command]


def _spawn(command: Sequence[str], output: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    started: SimpleQueue[subprocess.Popen[bytes] | OSError] = SimpleQueue()

    def keep() -> None:
        try:
            with output.open("ab") as sink:
                process = subprocess.Popen(  # noqa: S603 - the caller names the binary
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env=environ,
                    # Ctrl-C in a terminal is for us: we drain first and stop the server last.
                    start_new_session=True,
                )
        except OSError as error:
            started.put(error)
            return
        started.put(process)
        process.wait()  # The thread must live as long as the child: see above.

    threading.Thread(target=keep, name=f"keeper of {command[0]}", daemon=True).start()
    outcome = started.get()
    if isinstance(outcome, OSError):
        raise outcome
    return outcome
