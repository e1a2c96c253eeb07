"""Executes a command that dies with the process that asked for it, as another user if need be.

A script of its own instead of a `preexec_fn`: Python code between fork and exec can deadlock in a
process with threads. Run as `python leash.py PARENT_PID DEATH_SIGNAL USER|- COMMAND...`.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, signal, user, *command = sys.argv[1:]
    if user != "-":
        _become(user)
    # After the change of user, which clears the death signal.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal))
        if os.getppid() != int(parent):
            sys.exit("the parent is gone already")
    os.execvp(command[0], command)


def _become(name: str) -> None:
    account = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


if __name__ == "__main__":
    main()
