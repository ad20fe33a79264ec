"""The request by which a browser has what a pen draws judged at once (pages/shared/state/pens.py)."""

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pages.shared.state.turns import PLACES, Priority

MAX_BYTES = 2**20
"""Of one frame: a canvas full of noise has half of that."""

MAX_WAITING = 3
"""Frames of one pen that are not answered yet; a browser sends one at a time, and one more when the pen is lifted."""

# Threads. Those that were lifted find one at once, and the first turn (job_pool.turn_to_judge); of those that move no more
# wait for a turn than can have one.
_moving, _lifted = CapacityLimiter(PLACES), CapacityLimiter(32)


async def answer(request: Request) -> Response:
    """What follows the pen on its page, as JSON."""
    from pages.shared.components.live_canvas import CanvasFrame
    from pages.shared.state import pens

    pen = pens.pen_of(request.path_params["token"])
    if pen is None:
        return PlainTextResponse("No page has this pen.", 404)
    if pen.waiting >= MAX_WAITING:
        return PlainTextResponse("Too many frames at the same time.", 429)
    pen.waiting += 1
    try:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_BYTES:
                return PlainTextResponse("This is larger than any drawing.", 413)
        frame = CanvasFrame.of_json(body)
        if frame is None:
            return PlainTextResponse("This is no drawing.", 400)
        priority = pen.priority_of(frame)
        limiter = _lifted if priority is Priority.PEN_LIFTED else _moving
        changed = await to_thread.run_sync(pen.answer_to, frame, pen.canvas_state, priority, limiter=limiter)
        return JSONResponse(changed)
    except ClientDisconnect:  # a tab was closed, or a network is gone; nobody reads this
        return PlainTextResponse("The frame has not arrived.", 400)
    finally:
        pen.waiting -= 1


def routes() -> list[Route]:
    """Below the path where the app is served, as Streamlit's own."""
    from pages.shared.state import pens
    from pages.shared.streamlit_internals import base_path

    return [Route(f"{base_path()}{pens.PATH}{{token}}", answer, methods=["POST"])]
