"""Run a command that does not outlive its parent: `die_with_parent.py PARENT_PID COMMAND...`.

A parent killed with SIGKILL cannot stop its children. On Linux the child can ask the kernel for a
signal when its parent dies (prctl), which survives exec: so this asks for it and execs the command.
Elsewhere the command just runs. It runs with `-I -S`, so it imports nothing of ours.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before the prctl call
            raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606  the command is the caller's, never a user's


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
