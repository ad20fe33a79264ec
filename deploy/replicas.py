"""Several replicas on this machine behind one nginx: `make replicas`. Needs no root; Ctrl-C stops all of them.

A replica that ends, by itself or by SIGTERM to its process, is started again. Everything that is made lies in a temporary
folder, except the secret that signs cookies.
"""

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from core.errors import SettingError
from core.server import addresses, web
from core.server.environment import MEGABYTE, memory_limit
from deploy import configure

ROOT = Path(__file__).parent.parent
SECRET = ROOT / ".cookie-secret"

MAIN = """\
daemon off;
pid "{folder}/nginx.pid";
error_log stderr warn;
worker_processes auto;
worker_rlimit_nofile 8192;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
    include "{root}/deploy/nginx.conf";
}}
"""
"""What Debian's /etc/nginx/nginx.conf is for the packaged nginx."""


def cookie_secret() -> str:
    """The secret that all replicas share: from the environment, else from a file that only its owner reads, made once."""
    if given := os.environ.get("STREAMLIT_SERVER_COOKIE_SECRET"):
        return given
    with suppress(FileExistsError):
        file = os.open(SECRET, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w") as writer:
            writer.write(secrets.token_hex(32))
    return SECRET.read_text()


def nginx() -> str:
    """Where nginx is; ends the program in words when it is nowhere."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        sys.exit("There is no nginx here. On Debian and Ubuntu: apt-get install nginx-light")
    return found


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def is_healthy(port: int) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
            return True
    except OSError:
        return False


class Replicas:
    """The processes: one app a port, and nginx before them."""

    def __init__(self, ports: Sequence[int], address: str, port: int) -> None:
        """ports: of the replicas; address, port: of nginx. Raises SettingError."""
        self.ports = ports
        memory = memory_limit()
        program = nginx()
        share = max(1, (os.cpu_count() or 1) // len(ports))
        # Each would take all cores and all that memory_limit allows, and all together must not. The environment comes first.
        self._environment = {
            "TRAINING_WORKERS": str(share),
            "MEMORY_LIMIT": f"{memory // len(ports) // MEGABYTE}M",
            "DRAIN_SECONDS": "600",
            "FORWARDED_ALLOW_IPS": "127.0.0.1",
            "PROXY_ADDRESS": f"{address}:{port}",
            **os.environ,
            "STREAMLIT_SERVER_COOKIE_SECRET": cookie_secret(),
        }
        # Last, so that nothing is left where something above fails.
        self._folder = Path(tempfile.mkdtemp(prefix="see-the-anomaly-"))
        # nginx that was started by root works as somebody else, who must get at the folders below.
        self._folder.chmod(0o711)
        host = f"[{address.strip('[]')}]" if ":" in address else address
        configure.write(self._folder, f"{host}:{port}", [f"127.0.0.1:{port}" for port in ports], self._folder / "cache")
        (self._folder / "nginx.conf").write_text(MAIN.format(folder=self._folder, root=ROOT))
        self._command = [program, "-p", str(self._folder), "-e", "stderr", "-c", str(self._folder / "nginx.conf")]
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._nginx: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when visitors can come; ends the program when that takes more than two minutes."""
        for port in self.ports:
            self._start(port)
        latest = time.monotonic() + 120
        while not all(map(is_healthy, self.ports)):
            if time.monotonic() > latest or any(replica.poll() is not None for replica in self._running.values()):
                sys.exit("The replicas did not start; their messages are above.")
            time.sleep(0.1)
        self._nginx = subprocess.Popen(self._command, start_new_session=True)

    def _start(self, port: int) -> None:
        command = [sys.executable, "-m", "deploy.replica", "--port", str(port)]
        # A session of its own: Ctrl-C is for this program, which then ends the others in good order.
        self._running[port] = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        number = self.ports.index(port) + 1
        print(f"Replica {number} on port {port} is process {self._running[port].pid}.", flush=True)

    def keep(self, over: threading.Event) -> None:
        """Start again what ends, until it is over; ends the program when nginx does."""
        while not over.wait(0.5):
            for port, replica in list(self._running.items()):
                if replica.poll() is not None:
                    self._start(port)
            if self._nginx and self._nginx.poll() is not None:
                sys.exit("nginx has ended; its message is above.")

    def stop(self) -> None:
        """nginx first: with it go the visitors, and a replica without visitors ends at once."""
        if self._nginx:
            self._nginx.terminate()
        for port, replica in self._running.items():
            # One that does not answer yet, or no more, has nobody to be polite to.
            if is_healthy(port):
                replica.terminate()
            else:
                replica.kill()
        for process in (self._nginx, *self._running.values()):
            if process:
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        shutil.rmtree(self._folder)


def one_or_more(text: str) -> int:
    """As argparse asks for it."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=one_or_more, default=3)
    parser.add_argument("--address", default="localhost", help="0.0.0.0 opens them to the class's network")
    parser.add_argument("--port", type=int, default=8501)
    asked = parser.parse_args()
    over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, end)
    # Not by name: it may also name an address of IPv6 that this machine does not have.
    address = "127.0.0.1" if asked.address == "localhost" else asked.address
    try:
        web.require_usable()
        replicas = Replicas(free_ports(asked.replicas), address, asked.port)
    except SettingError as error:
        sys.exit(str(error))
    try:
        replicas.start()
        addresses.announce(f"{asked.replicas} replicas at {{own}}   (Ctrl-C stops them)", asked.address, asked.port)
        replicas.keep(over)
    finally:
        replicas.stop()


if __name__ == "__main__":
    main()
