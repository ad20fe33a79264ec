"""What the server refuses before a page runs: uploads without the password, too much of anything, other sites."""

import asyncio
import http.client
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, expect

from tests.browser.conftest import REAL_DATA, Server, run_journey, served, start_server
from tests.conftest import PATIENCE
from tests.load.visitor import Visitor

PASSWORD, TOKEN = "anomaly", "token-of-the-teacher"
XSRF = "2|00000000|00000000000000000000000000000000|1"
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An app with a password, which one site may show in a frame."""
    log = tmp_path_factory.mktemp("guarded") / "log.txt"
    settings = {"CLASS_PASSWORD": PASSWORD, "STATUS_TOKEN": TOKEN, "MAX_CONNECTIONS_PER_ADDRESS": "60"}
    with served(REAL_DATA, log, settings) as running:
        yield running


def ask(
    server: Server, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """A request as a program sends it; names of headers with _ for -."""
    host = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=PATIENCE)
    sent = {"Host": host.netloc, **{name.replace("_", "-"): text for name, text in headers.items()}}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


def multipart(size: int) -> tuple[bytes, str]:
    edge = "edge"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + b"0" * size + f"\r\n--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


def upload(server: Server, session: str, name: str, size: int, cookie: str = "") -> int:
    body, kind = multipart(size)
    cookies = f"_streamlit_xsrf={XSRF}; {cookie}"
    path = f"/_stcore/upload_file/{session}/{name}"
    return ask(server, path, "PUT", body, Content_Type=kind, X_Xsrftoken=XSRF, Cookie=cookies)[0]


def held(server: Server) -> int:
    """Bytes of uploads that the server holds, by its own figures, which it counts anew after five seconds."""
    text = ask(server, f"/_stcore/metrics?token={TOKEN}&families=cache_memory_bytes")[2]
    found = re.search(r'cache_memory_bytes\{cache_type="UploadedFileManager"[^}]*\} (\d+)', text)
    return int(found.group(1)) if found else 0


async def eventually_held(server: Server, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while (now := await asyncio.to_thread(held, server)) // MEGABYTE != wanted:
        assert time.monotonic() < deadline, f"{now} bytes are held, and not {wanted} MB"
        await asyncio.sleep(0.2)


async def come_in(visitor: Visitor) -> None:
    [box] = [part.content.text_input for part in visitor.parts.values() if part.kind == "text_input"]
    [button] = [part.content.button for part in visitor.parts.values() if part.kind == "button"]
    state = visitor._state("", trigger=button.id)
    state.widget_states.widgets.add(id=box.id, string_value=PASSWORD)
    await visitor._ask(state)
    await visitor.wait(lambda: "Detector" in visitor.texts())


def cookie_of(server: Server) -> str:
    """The name of the cookie that finds a visitor again."""
    return f"visitor-{server.url.rpartition(':')[2]}"


def test_every_answer_has_headers_and_figures_are_for_the_teacher(server: Server) -> None:
    for path in ("/", "/draw", "/_stcore/health", "/media/none.png", "/_stcore/metrics", "/static/none.js"):
        headers = ask(server, path)[1]
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin", path
        assert re.search("frame-ancestors 'self'$", headers["content-security-policy"]), path
        assert "unsafe-eval" not in headers["content-security-policy"]
    assert ask(server, "/_stcore/metrics")[0] == 404
    assert ask(server, "/_stcore/metrics?token=wrong")[0] == 404
    assert ask(server, f"/_stcore/metrics?token={TOKEN}")[0] == 200
    assert ask(server, "/_stcore/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    [cookie] = re.findall(rf"{cookie_of(server)}=[\w.-]{{90,}}; (.*)", ask(server, "/")[1]["set-cookie"])
    assert "HttpOnly" in cookie


def test_without_the_password_files_are_refused_and_with_it_bounded_and_let_go(server: Server) -> None:
    async def journey() -> None:
        send: Any = partial(asyncio.to_thread, upload, server)  # type: ignore[call-arg]
        visitor = await Visitor(server.url).arrive("draw")
        assert await send(visitor.session_id, "a", 1000) == 403
        for path in ("/media/a.png", "/component/a/b.js", "/_stcore/bidi-components/a/b.js", "/pen/a"):
            assert (await asyncio.to_thread(ask, server, path))[0] == 403, path
        await come_in(visitor)
        assert await send(visitor.session_id, "a", 1000) == 204
        assert await send("a-session-that-is-not-there", "a", 1000) == 403
        cookie = f"{cookie_of(server)}={visitor.cookies[cookie_of(server)]}"
        assert (await asyncio.to_thread(ask, server, "/media/a.png", Cookie=cookie))[0] == 404, "looked for"
        # However many come, the newest are kept.
        for number in range(12):
            assert await send(visitor.session_id, f"file-{number}", 4 * MEGABYTE) == 204
        await eventually_held(server, 20)
        # A reload is a new session of a browser that is let in already.
        again = Visitor(server.url)
        again.cookies |= visitor.cookies
        await again.arrive("draw")
        assert "Detector" in again.texts()
        number = again.session_id
        await again.close()
        await again.open("draw")
        assert again.session_id == number, "the class's sessions wait for a bad Wi-Fi to come back"
        await visitor.close()
        await again.close()

    run_journey(journey())


def test_a_strangers_tab_leaves_nothing_behind(server: Server) -> None:
    async def journey() -> None:
        visitor = await Visitor(server.url).arrive("draw")
        number = visitor.session_id
        await visitor.close()
        await visitor.open("draw")
        assert visitor.session_id != number, "it is not kept for him"
        await visitor.close()

    run_journey(journey())


def platform(frame: str) -> tuple[str, ThreadingHTTPServer]:
    """Another site, 127.0.0.1 where the app is localhost, that shows the app in a frame."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            shown = site.frame  # type: ignore[attr-defined]
            self.wfile.write(f'<h1>Course</h1><iframe src="{shown}" width=1200 height=700></iframe>'.encode())

        def log_message(self, *_arguments: Any) -> None:
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    site.frame = frame  # type: ignore[attr-defined]
    threading.Thread(target=site.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{site.server_address[1]}", site


def picture(folder: Path) -> Path:
    path = folder / "seven.png"
    image = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(image).line([(50, 50), (150, 50), (90, 160)], fill=0, width=18)
    image.save(path)
    return path


async def another_page_sends_a_file(server: Server) -> None:
    """Where frames are allowed, Origin stands for the cookie that does not come from there."""
    visitor = await Visitor(server.url).arrive("draw")
    body, kind = multipart(1000)
    put = partial(ask, server, f"/_stcore/upload_file/{visitor.session_id}/a", "PUT", body, Content_Type=kind)
    assert (await asyncio.to_thread(put, Origin="https://evil.example"))[0] == 403
    assert (await asyncio.to_thread(put, Origin=server.url))[0] == 204
    await visitor.close()


@pytest.mark.slow
def test_in_a_frame_of_a_named_site_an_upload_works_and_elsewhere_the_page_offers_a_tab(
    chromium: Browser, tmp_path: Path, server: Server
) -> None:
    named, site = platform("about:blank")
    framed = start_server(REAL_DATA, tmp_path / "log.txt", {"EMBED_ORIGINS": named})
    site.frame = f"{framed.url}/draw"  # type: ignore[attr-defined]
    visitor = chromium.new_context(viewport={"width": 1366, "height": 768})
    try:
        page = visitor.new_page()
        page.goto(named)
        frame = page.frame_locator("iframe")
        expect(frame.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        frame.get_by_text("No pointer?").click()
        frame.locator(".st-key-picture input[type=file]").set_input_files(picture(tmp_path))
        expect(frame.locator(".st-key-verdict")).to_have_text(re.compile("^Anomaly|^Normal"))
        expect(frame.get_by_text("AxiosError")).to_have_count(0)
        page.screenshot(path=str(tmp_path / "framed.png"))
        run_journey(another_page_sends_a_file(framed))
        # The other app names nobody.
        elsewhere, other = platform(f"{server.url}/draw")
        page.goto(elsewhere)
        link = page.frame_locator("iframe").get_by_role("link", name="Open it in a tab of its own")
        with visitor.expect_page() as opened:
            link.click()
        expect(opened.value.get_by_text("This class has a password.")).to_be_visible()
        other.shutdown()
    finally:
        visitor.close()
        framed.end()
        site.shutdown()
