"""Run a command that does not outlive its parent: `die_with_parent.py PARENT_PID COMMAND...`.

A parent that is killed hard stops nobody. Linux can tell the child, through a wish made in the
child itself, and that wish survives exec; so this asks for it and then becomes the command.
Elsewhere the command simply runs. Kept free of imports of ours: it runs with `-I -S`.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the wish was made
            raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606  the command is the caller's, never a user's


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
