"""Keeps a listening socket and starts a program on it, as systemd does by socket activation: the
socket is descriptor 3, LISTEN_PID the process itself. A line on stdin starts it once more. Whoever
started this, however that ends, takes it along, and the program with it."""

import ctypes
import os
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def end_with_parent(parent):
    """SIGTERM once the parent is gone, and at once if it is gone already."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


end_with_parent(int(os.environ.pop("PARENT")))
listener = socket.socket()
listener.bind(("127.0.0.1", int(os.environ.pop("PORT", "0"))))
listener.listen(1024)
print("port", listener.getsockname()[1], flush=True)
for _line in sys.stdin:
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        end_with_parent(keeper)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if listener.fileno() != 3:
            os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
        os.execv(sys.argv[1], sys.argv[1:])
    print("started", pid, flush=True)
    _, status = os.waitpid(pid, 0)
    print("ended", pid, os.waitstatus_to_exitcode(status), flush=True)
