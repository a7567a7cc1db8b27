"""Become another program that the kernel kills when its parent dies: `python tether.py PARENT_PID PROGRAM [ARG ...]`.

Linux keeps such a wish through `exec`, so this runs in the child, before the real program, and costs one start of a
bare interpreter. A `preexec_fn` would do the same by running Python between fork and exec of a process that may hold
torch's threads. PARENT_PID 0 stands for whoever started this. See prctl(2), PR_SET_PDEATHSIG.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Bind this process to its parent, then replace it by the program."""
    parent = int(arguments[0]) or os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the wish was made.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    os.execv(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
