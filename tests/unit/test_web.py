"""Settings of the web around the app, what the limit of open files is raised to, and how the server sends."""

import asyncio
import re
import shlex
import socket
import sys
import tempfile
from itertools import count
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest
import uvicorn
from streamlit.web.server.starlette.starlette_server import _bind_socket

from core.errors import SettingError
from core.server import web
from deploy import connections, replica, replicas

resource = pytest.importorskip("resource", reason="Limits of files and memory are told so only by POSIX systems.")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EMBED_ORIGINS", "moodle.example.org"),
        ("EMBED_ORIGINS", "https://moodle.example.org/course"),
        ("EMBED_ORIGINS", "https://a.example; script-src *"),
        ("EMBED_ORIGINS", "*"),
        ("FORWARDED_ALLOW_IPS", "nginx"),
        ("FORWARDED_ALLOW_IPS", "*"),
        ("PROXY_ADDRESS", "0.0.0.0"),
        ("PROXY_ADDRESS", "0.0.0.0:http"),
        ("PUBLIC_URL", "anomaly.example.org"),
        ("PUBLIC_URL", "https://anomaly.example.org/draw"),
        ("PUBLIC_URL", "https://me@anomaly.example.org"),
        ("PUBLIC_URL", "https://anomaly.example.org:many"),
        ("PUBLIC_URL", "https://[::1"),
        ("PUBLIC_URL", "javascript:alert(1)"),
        ("PUBLIC_URL", "https://"),
        ("MAX_CONNECTIONS", "0"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "many"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(SettingError, match=f"^{name} in the environment .*not “{re.escape(text.split()[0][:10])}"):
        web.require_usable()


def test_settings_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    web.require_usable()
    assert (web.embed_origins(), web.proxies(), web.public_url()) == ((), "", "")
    monkeypatch.setenv("EMBED_ORIGINS", "https://moodle.example.org, http://127.0.0.1:9000")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1, 10.0.0.0/8,::1")
    assert web.embed_origins() == ("https://moodle.example.org", "http://127.0.0.1:9000")
    for url in ("https://anomaly.example.org", "http://192.168.1.7:8501/", "http://[fd00::2]:80", "https://Anomaly.Example"):
        monkeypatch.setenv("PUBLIC_URL", url)
        web.require_usable()
        assert web.public_url() == url.rstrip("/")
    assert web.proxies() == "127.0.0.1,10.0.0.0/8,::1"


@pytest.mark.parametrize(
    ("soft", "hard", "may_raise", "most"),
    [
        (256, resource.RLIM_INFINITY, True, connections.OPEN_FILES),
        (256, resource.RLIM_INFINITY, False, 256),
        (256, 4096, False, 4096),
        (256, 256, False, 256),
        (1024, 65536, False, connections.OPEN_FILES),
        (100_000, 100_000, False, connections.OPEN_FILES),
    ],
)
def test_the_limit_of_open_files_is_raised_as_far_as_the_system_allows(
    soft: int, hard: int, may_raise: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [(soft, hard)]

    def setrlimit(_kind: int, wanted: tuple[int, int]) -> None:
        above = max(wanted) > (soft if hard == resource.RLIM_INFINITY else hard)
        if above and not may_raise:
            raise ValueError
        limits.append(wanted)

    monkeypatch.setattr(resource, "getrlimit", lambda _kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    assert connections.raise_limit_of_open_files() == most
    assert limits[-1][0] >= most or soft >= most
    assert limits[-1][0] >= soft, "never lowered"


def test_replicas_that_cannot_be_set_up_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(replicas, "nginx", lambda: "nginx")
    monkeypatch.setattr(replicas, "cookie_secret", Mock(side_effect=PermissionError))
    with pytest.raises(PermissionError):
        replicas.Replicas([1], "127.0.0.1", 2)
    assert list(tmp_path.iterdir()) == []


def test_replicas_are_set_up_in_a_folder_with_a_space_in_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """nginx takes a path in quotation marks for one word."""
    (tmp_path / "my app").symlink_to(replicas.ROOT)
    monkeypatch.setattr(replicas, "ROOT", tmp_path / "my app")
    monkeypatch.setattr(replicas, "cookie_secret", lambda: "secret")
    monkeypatch.setattr(replicas, "nginx", lambda: "nginx")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = replicas.Replicas([1], "127.0.0.1", 2)
    written = (made._folder / "nginx.conf").read_text()
    [included] = re.findall(r"^\s*include (.+);", written, re.MULTILINE)
    assert shlex.split(included) == [f"{tmp_path}/my app/deploy/nginx.conf"]


def test_the_proxy_listens_at_an_address_of_ipv6_in_brackets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(replicas, "cookie_secret", lambda: "secret")
    monkeypatch.setattr(replicas, "nginx", lambda: "nginx")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = replicas.Replicas([1], "::1", 2)
    assert (made._folder / "see-the-anomaly" / "listen.conf").read_text() == "listen [::1]:2;\n"


def test_the_site_writes_down_no_visit_whatever_nginx_does_elsewhere() -> None:
    site = (replicas.ROOT / "deploy" / "nginx.conf").read_text()
    assert "access_log off;" in site[site.index("\nserver {") :]


def test_no_replica_at_all_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["replicas", "--replicas", "0"])
    with pytest.raises(SystemExit):
        replicas.main()
    assert "at least 1 is needed" in capsys.readouterr().err


def test_what_is_sent_does_not_wait_for_an_acknowledgement_once_the_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told, at_once = [], []
    monkeypatch.setattr(replica, "tell_address", lambda: told.append(True))

    async def visit(server: uvicorn.Server, host: str, port: int) -> None:
        await replica.begin_to_serve(server)
        assert told
        _reader, writer = await asyncio.open_connection(host, port)
        while not server.server_state.connections:
            await asyncio.sleep(0)
        (accepted,) = server.server_state.connections
        at_once.append(accepted.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()
        server.should_exit = True

    async def serve() -> None:
        server = uvicorn.Server(uvicorn.Config(lambda: None, lifespan="off", log_config=None))
        with _bind_socket("127.0.0.1", 0, 8) as listener:
            await asyncio.gather(server.serve(sockets=[listener]), visit(server, *listener.getsockname()))

    asyncio.run(serve())
    assert at_once == [1]


def test_a_connection_that_takes_what_it_is_sent_is_not_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script of 5 MB takes a phone longer than SILENT_SECONDS; uvicorn calls the answer complete once it is handed over."""
    silent, stuck, slow = Mock(), Mock(), Mock()
    silent.get_write_buffer_size.return_value, stuck.get_write_buffer_size.return_value = 0, 4_000_000
    slow.get_write_buffer_size.side_effect = count(4_000_000, -65_536)
    monkeypatch.setattr(connections, "idle_connections", lambda _server: [silent, stuck, slow])
    monkeypatch.setattr(connections, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(asyncio, "sleep", AsyncMock(side_effect=[None, asyncio.CancelledError]))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(connections.end_idle_connections(Mock(**{"server_state.connections": ()}), connections.OPEN_FILES))
    assert silent.abort.called
    assert stuck.abort.called
    assert not slow.abort.called
