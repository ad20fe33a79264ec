"""The QR code says what it should: read back from the picture that the page shows, by the rules of ISO/IEC 18004."""

import base64
import re
from html import unescape
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
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


MASKS = (
    lambda i, j: (i + j) % 2,
    lambda i, _: i % 2,
    lambda _, j: j % 3,
    lambda i, j: (i + j) % 3,
    lambda i, j: (i // 2 + j // 3) % 2,
    lambda i, j: i * j % 2 + i * j % 3,
    lambda i, j: (i * j % 2 + i * j % 3) % 2,
    lambda i, j: ((i + j) % 2 + i * j % 3) % 2,
)
"""A module in row i and column j is turned where this is 0 (table 10 of the standard)."""


def read(dark: NDArray[np.bool_]) -> tuple[str, str]:
    """Error correction level and text of a flawless code of version 2 or 3: nothing is corrected."""
    size = len(dark)
    assert size in (25, 29)
    # The 15 bits of the format, beside the upper left finder, are hidden under a pattern of their own.
    places = [(8, j) for j in (0, 1, 2, 3, 4, 5, 7, 8)] + [(i, 8) for i in (7, 5, 4, 3, 2, 1, 0)]
    form = int("".join(str(int(dark[place])) for place in places), 2) ^ 0b101010000010010
    level, mask = {0: "M", 1: "L", 2: "H", 3: "Q"}[form >> 13], MASKS[form >> 10 & 7]
    is_data = np.ones_like(dark)
    is_data[:9, :9] = is_data[:9, -8:] = is_data[-8:, :9] = is_data[6] = is_data[:, 6] = False
    is_data[-9:-4, -9:-4] = False
    bits = ""
    for turn, right in enumerate([*range(size - 1, 6, -2), 5, 3, 1]):
        rows = range(size) if turn % 2 else range(size - 1, -1, -1)
        bits += "".join(str(int(dark[i, j] ^ (mask(i, j) == 0))) for i in rows for j in (right, right - 1) if is_data[i, j])
    if (size, level) == (29, "Q"):  # two blocks of 17 words of data, by turns
        words = [bits[place : place + 8] for place in range(0, 8 * 34, 8)]
        bits = "".join(words[::2] + words[1::2])
    assert bits[:4] == "0100", "bytes"
    length = int(bits[4:12], 2)
    data = bytes(int(bits[12 + 8 * number : 20 + 8 * number], 2) for number in range(length))
    return level, data.decode()


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_picture_is_the_code_of_its_address_with_a_white_rim(address: str) -> None:
    svg, alt = shown(qr_code(address, f"QR code: {address}"))
    assert alt == f"QR code: {address}"
    dark = modules(svg)
    assert not dark[:4].any()
    assert not dark[-4:].any()
    assert not dark[:, :4].any()
    assert not dark[:, -4:].any()
    level, text = read(dark[4:-4, 4:-4])
    assert text == address
    assert level in "MQ", "a seventh or a quarter of it may be unreadable"


def test_the_alternative_text_is_text() -> None:
    _, alt = shown(qr_code("http://192.168.1.7", '"><script>'))
    assert alt == '"><script>'
