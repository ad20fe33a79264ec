"""How a class gets in: a QR code for phones, and the same address to be typed."""

import os
from html import escape

import streamlit as st

from core.server.class_records import ClassSnapshot
from pages.shared.html.qr import qr_code
from pages.shared.i18n.text import _
from pages.shared.state import link
from pages.shared.streamlit_internals import base_path


def show_address(now: ClassSnapshot) -> None:
    """For the teacher: large until the first drawing is there, then one line with the code in a box.

    On the projector the code stays, beside the wall.
    """
    reach = link.reach()
    if reach.obstacle:
        with st.container(key="class-address"):
            st.warning(link.explain_obstacle(reach.obstacle), icon=":material/wifi_off:")
        return
    is_waiting, is_projector = not now.drawings, link.is_projector()
    with st.container(key="class-address", horizontal=not (is_waiting or is_projector), vertical_alignment="center"):
        base = reach.addresses[0]
        if len(reach.addresses) > 1:
            base = st.selectbox(
                _("This computer's address in the class's network"),
                reach.addresses,
                key="join-address",
                label_visibility="collapsed" if is_projector else "visible",
                width=360,
            )
        address = f"{base}{base_path()}/class"
        hints = [_("Phones have to be in the same Wi-Fi network as this computer.")] if reach.is_of_this_network else []
        if os.environ.get("CLASS_PASSWORD"):
            hints.append(_("Then the class's password is asked for."))
        if is_waiting:
            st.html(join_code(address, hints))
            return
        if is_projector:
            st.html(f'<div class="beside">{join_code(address, [])}</div>')
            return
        st.html(f'<span class="label">{escape(_("Join at"))}</span> <b class="address">{typed(address)}</b>', width="content")
        with st.popover(_("QR code"), icon=":material/qr_code_2:", type="tertiary"):
            st.html(join_code(address, hints))


def typed(address: str) -> str:
    """The address as it is typed: phones take http for granted; where it may go on in a new line is told."""
    return escape(address.removeprefix("http://")).replace("/", "/<wbr>").replace(":", ":<wbr>")


def join_code(address: str, hints: list[str]) -> str:
    """The code and, beside or below it, the address; hints: what else is to be known."""
    alt = _("QR code: {address}", address=address)
    below = "".join(f"<small>{escape(hint)}</small>" for hint in hints)
    return (
        f'<div class="join-code">{qr_code(address, alt)}<div><span class="label">'
        f'{escape(_("Scan this with a phone, or type:"))}</span><b class="address">{typed(address)}</b>{below}</div></div>'
    )
