"""An address as a QR code."""

from functools import lru_cache
from html import escape

import segno


@lru_cache(maxsize=64)
def qr_code(text: str, alt: str) -> str:
    """The code as a picture, black on white in both themes and with the white rim that cameras look for (ISO/IEC 18004)."""
    # As data of an image: st.html removes inline SVG, and the content policy allows the former.
    source = segno.make_qr(text, error="m").svg_data_uri(border=4, dark="#000", light="#fff", omitsize=True)
    return f'<img class="qr" src="{escape(source)}" alt="{escape(alt)}">'
