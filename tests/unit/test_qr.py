"""The QR code says what it should: read back from the picture that the page shows, by the rules of ISO/IEC 18004."""

import base64
import re
from html import unescape
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
import segno
from numpy.typing import NDArray

from pages.shared.html.qr import qr_code

ADDRESSES = ("http://192.168.1.7:8501/class", "https://anomaly.example.org/class", "http://[2001:db8:1::7]:8501/class")


def shown(html: str) -> tuple[str, str]:
    """SVG and alternative text of an image."""
    found = re.fullmatch(r'<img class="qr" src="([^"]*)" alt="([^"]*)">', html)
    assert found
    kind, _, data = unescape(found[1]).partition(",")
    assert kind.startswith("data:image/svg+xml")
    svg = base64.b64decode(data).decode() if kind.endswith("base64") else unquote(data)
    return svg, unescape(found[2])


def modules(svg: str) -> NDArray[np.bool_]:
    """The dark squares of a picture whose lines are drawn one unit wide."""
    root = ElementTree.fromstring(svg)
    size = int(root.attrib["viewBox"].split()[2])
    assert root.attrib["viewBox"] == f"0 0 {size} {size}"
    dark = np.zeros((size, size), dtype=bool)
    paths = root.findall("{http://www.w3.org/2000/svg}path")
    assert paths[0].attrib["fill"] in ("#fff", "#ffffff")
    x = y = 0.0
    for command, text in re.findall(r"([Mmh])([-\d. ]+)", paths[1].attrib["d"]):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", text)]
        if command == "h":
            dark[int(y), int(x) : int(x + numbers[0])] = True
            x += numbers[0]
        else:
            x, y = numbers if command == "M" else (x + numbers[0], y + numbers[1])
    return dark


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_picture_is_the_code_of_its_address_with_a_white_rim(address: str) -> None:
    svg, alt = shown(qr_code(address, f"QR code: {address}"))
    assert alt == f"QR code: {address}"
    dark = modules(svg)
    assert not dark[:4].any()
    assert not dark[-4:].any()
    assert not dark[:, :4].any()
    assert not dark[:, -4:].any()
    inner = dark[4:-4, 4:-4]
    wanted = segno.make_qr(address, error="m")
    assert np.array_equal(inner, np.array([[module & 1 for module in row] for row in wanted.matrix], dtype=bool))


def test_the_alternative_text_is_text() -> None:
    _, alt = shown(qr_code("http://192.168.1.7", '"><script>'))
    assert alt == '"><script>'
