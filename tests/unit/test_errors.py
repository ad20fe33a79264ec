"""Errors as sentences, and what is kept of them."""

import pytest

from core.data.own import OwnDataError
from core.drawing import PictureError
from core.errors import UserError


def test_a_detached_error_says_the_same_and_keeps_nothing_of_how_it_came() -> None:
    def fail() -> None:
        try:
            raise PictureError("The file has {size:.0f} MB.", size=7)
        except PictureError as reason:
            raise OwnDataError("{name}: {reason}", name="a.png", reason=reason) from reason

    with pytest.raises(OwnDataError) as raised:
        fail()
    told = raised.value.detached()
    assert type(told) is OwnDataError
    assert str(told) == str(raised.value) == "a.png: The file has 7 MB."
    reason = told.values["reason"]
    assert isinstance(reason, PictureError)
    for error in (told, reason):
        assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
    assert isinstance(raised.value.values["reason"], UserError)
    assert raised.value.__traceback__, "the one that was raised is as it was"
