"""A command as it runs on Windows, as far as another system can show it.

`python -m support.windows ARGUMENT ...` runs azurerm-lite: its output is in code page 1252 with
CRLF, `os.name` is `nt`, and the modules and functions that only POSIX has are missing. Only this
package sees that: Python's own modules keep what they need on this system.
"""

from __future__ import annotations

import builtins
import importlib
import os
import pkgutil
import signal
import sys
from types import ModuleType
from typing import Any

import azurerm_lite

_MODULES = """
crypt curses fcntl grp nis posix pty pwd readline resource spwd syslog termios tty
"""
_OS_NAMES = """
WNOHANG chown chroot fchmod fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid
getpgrp getpriority getsid getuid killpg lchown mkfifo mknod nice openpty pathconf posix_spawn
register_at_fork sched_getaffinity sched_setaffinity setgid setpgid setpriority setsid setuid
statvfs sysconf tcgetpgrp tcsetpgrp ttyname uname wait wait3 wait4
"""
_SIGNAL_NAMES = """
SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIGWINCH
alarm pause pthread_kill pthread_sigmask setitimer sigwait
"""
POSIX_MODULES = frozenset(_MODULES.split())
"""The modules that Python has on POSIX alone."""
POSIX_NAMES = {
    "os": frozenset(_OS_NAMES.split()),
    "signal": frozenset(_SIGNAL_NAMES.split()),
}
"""The names that these modules have on POSIX alone."""


class WindowsModule:
    """A module of Python without what only POSIX has; `os` says that this is Windows."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name in POSIX_NAMES[self._module.__name__]:
            raise AttributeError(f"Windows has no {self._module.__name__}.{name}")
        if (self._module.__name__, name) == ("os", "name"):
            return "nt"
        return getattr(self._module, name)


def pretend() -> None:
    """Let the modules of this package, and nothing else, find themselves on Windows."""
    for found in pkgutil.walk_packages(azurerm_lite.__path__, "azurerm_lite."):
        if not found.name.endswith(".__main__"):
            _replace(importlib.import_module(found.name))
    import_as_before = builtins.__import__

    def import_module(name: str, *given: Any, **named: Any) -> ModuleType:
        around = named.get("globals") or next(iter(given), None) or {}
        is_ours = str(around.get("__name__")).startswith("azurerm_lite")
        if is_ours and name in POSIX_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return import_as_before(name, *given, **named)

    builtins.__import__ = import_module


def _replace(module: ModuleType) -> None:
    """Give a module what Windows has of the modules that it uses."""
    for name, value in vars(module).items():
        if value is os or value is signal:
            setattr(module, name, WindowsModule(value))


def main() -> int:
    """Run the command."""
    pretend()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="cp1252", errors="strict", newline="\r\n")  # type: ignore[union-attr]
    from azurerm_lite.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
