"""The terminal of `make run`: Ctrl-C must reach the launcher and not `make` above it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator

#: prctl(2): the signal that the kernel sends to us when our parent dies.
PR_SET_PDEATHSIG = 1
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    """One line to the terminal, at once; a terminal that is gone is no reason to leave processes behind."""
    with contextlib.suppress(OSError):
        print(f"desk: {text}", flush=True)


def die_with_parent(number: signal.Signals) -> None:
    """On Linux: get ``number`` when the parent dies. To be called in a new child."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)


@contextlib.contextmanager
def own_foreground() -> Iterator[None]:
    """Take the terminal's foreground while the desk runs.

    Otherwise `make` gets the Ctrl-C, too, and reports an interrupt although everything came down well.
    """
    try:
        terminal = sys.stdin.fileno()
        former = os.tcgetpgrp(terminal)
    except (OSError, ValueError):
        yield
        return
    if former != os.getpgrp() or os.getpgrp() == os.getpid():
        yield
        return
    stand_in = _stand_in()
    # Nobody above would notice that we sleep, so the terminal would hang on Ctrl-Z.
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTTOU, signal.SIGTSTP)}
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.tcsetpgrp(terminal, former)
        for number, handler in kept.items():
            signal.signal(number, handler)
        os.kill(stand_in, signal.SIGKILL)
        os.waitpid(stand_in, 0)


def _stand_in() -> int:
    """A child that stays in `make`'s process group and passes on what that group is sent. Returns its pid."""
    launcher = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return child
    try:
        die_with_parent(signal.SIGKILL)
        while os.getppid() == launcher:
            os.kill(launcher, signal.sigwait(ENDING))
    finally:
        os._exit(0)
