"""A PostgreSQL of the tests' own, from Debian's package: a new one in a temporary folder, gone with all that is in it."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

MISSING = "There is no PostgreSQL: apt-get install postgresql"


def programs() -> Path | None:
    """The folder with initdb and pg_ctl, which Debian keeps off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    where = found[-1] if found else shutil.which("initdb")
    return Path(where).parent if where else None


def unprivileged() -> str | None:
    """As whom it runs where this process is root, which PostgreSQL refuses to be."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


class Postgres:
    """A running PostgreSQL."""

    def __init__(self, port: int) -> None:
        self._address = f"postgresql://class@127.0.0.1:{port}"
        self._numbers = count()

    def database(self) -> str:
        """A new, empty database, as CLASS_DATABASE_URL names it."""
        name = f"class_{next(self._numbers)}"
        with psycopg.connect(f"{self._address}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"{self._address.replace('postgresql:', 'postgresql+psycopg:')}/{name}"


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """One that takes connections on a free port of this machine; `programs` says whether it can be had."""
    where = programs()
    assert where, MISSING
    folder = Path(tempfile.mkdtemp(prefix="class-postgres-"))
    who = unprivileged()
    if who:
        shutil.chown(folder, who)
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        log = folder / "output.txt"
        with log.open("wb") as output:  # not a pipe: the server would keep it open
            command = [str(where / program), *arguments]
            status = subprocess.run(command, cwd=folder, stdout=output, stderr=output, user=who).returncode
        assert status == 0, log.read_text()

    try:
        run("initdb", "-D", str(data), "--auth=trust", "--username=class", "--encoding=UTF8", "--locale=C", "--no-sync")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        options = f"-p {port} -c max_connections=300 -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        run("pg_ctl", "-D", str(data), "-w", "-t", "60", "-l", str(data / "log.txt"), "-o", options, "start")
        try:
            yield Postgres(port)
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
