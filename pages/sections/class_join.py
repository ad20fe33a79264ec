"""How a class gets in: a QR code for phones, and the same address to be typed."""

import os
from html import escape

import streamlit as st

from pages.shared.html.qr import qr_code
from pages.shared.i18n.text import _
from pages.shared.state import link


def show() -> None:
    """Code and address of the class page; where phones cannot get in, why and what to do."""
    with st.container(key="class-join"):
        reach = link.reach()
        if reach.obstacle:
            st.warning(link.told(reach.obstacle), icon=":material/wifi_off:")
            return
        base = reach.addresses[0]
        if len(reach.addresses) > 1:
            base = st.selectbox(_("This computer's address in the class's network"), reach.addresses, key="join-address")
        address = f"{base}/class"
        hints = [_("Phones have to be in the same Wi-Fi network as this computer.")] if reach.is_of_this_network else []
        if os.environ.get("CLASS_PASSWORD"):
            hints.append(_("Then the class's password is asked for."))
        st.html(join_code(address, hints))


def join_code(address: str, hints: list[str]) -> str:
    """The code and, beside or below it, the address; hints: what else is to be known."""
    alt = _("QR code: {address}", address=address)
    # Phones take http for granted, and a shorter line is typed with fewer mistakes; where words may break is told.
    typed = escape(address.removeprefix("http://")).replace("/", "/<wbr>").replace(":", ":<wbr>")
    below = "".join(f"<small>{escape(hint)}</small>" for hint in hints)
    return (
        f'<div class="join-code">{qr_code(address, alt)}<div><span class="label">'
        f'{escape(_("Scan this with a phone, or type:"))}</span><b class="address">{typed}</b>{below}</div></div>'
    )
