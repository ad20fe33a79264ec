// While the pen is down, sends what is on the drawing canvas, and once more the moment it is lifted.
// The canvas is another component's, in an open shadow root beside this one; its strokes and its undo stay its own.
const PLACE = ".st-key-canvas";

/** The two layers of the canvas: finished strokes, and the one being drawn. */
function layersOf() {
  for (const element of document.querySelectorAll(`${PLACE} *`)) {
    const upper = element.shadowRoot?.querySelector("canvas.dc-canvas.upper-canvas");
    if (upper) return [element.shadowRoot.querySelector("canvas.dc-canvas.lower-canvas"), upper];
  }
  return null;
}

/** Canvases drawn upon each other at (x, y), cut off beyond width and height. */
function upon(layers, x, y, width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  for (const [layer, ...size] of layers) pen.drawImage(layer, x, y, ...size);
  return [canvas, pen];
}

/** As the canvas itself sends it, in its own pixels, of which a sharp screen shows more; without the paper around the ink. */
function pictureOf(layers, side) {
  const [whole, pen] = upon(layers.map(layer => [layer, side, side]), 0, 0, side, side);
  // A pixel's highest byte is its opacity; paper is black.
  const pixels = new Uint32Array(pen.getImageData(0, 0, side, side).data.buffer);
  let left = side, right = 0, top = side, bottom = 0;
  for (let place = 0; place < pixels.length; place++) {
    if ((pixels[place] & 0xffffff) === 0) continue;
    const x = place % side, y = (place - x) / side;
    left = Math.min(left, x);
    right = Math.max(right, x + 1);
    top = Math.min(top, y);
    bottom = y + 1;
  }
  if (left >= right) return whole.toDataURL("image/png");
  return upon([[whole]], -left, -top, right - left, bottom - top)[0].toDataURL("image/png");
}

/** Where the app is served below a path, its pages are too: an address of the app as this page reaches it. */
const fromHere = address => location.pathname.replace(/\/[^/]*\/?$/, "") + address;

/** Where a number is still to come, the key of its place says so. */
const placeOf = key =>
  document.querySelector(`.st-key-${key}, [class*="st-key-${key}-to-come"]`)?.querySelector('[data-testid="stHtml"]');

/** Which quick answer was the last when a run of the page wrote the verdict on screen; -1 where a quick answer wrote it. */
const answersInPage = () => Number(placeOf("verdict")?.querySelector("[data-answer]")?.dataset.answer ?? -1);

/** A quick answer: new HTML for places that are on the page. */
function put(changed) {
  for (const [key, html] of Object.entries(changed)) {
    const place = placeOf(key);
    if (!place) continue;
    place.innerHTML = html;
    const toCome = place.closest(`[class*="st-key-${key}-to-come"]`);
    if (toCome) toCome.className = toCome.className.replace(/(st-key-[a-z]+)-to-come\S*/, "$1");
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const own = (parentElement.live ??= { quick: new Messages(), whole: new Messages(), pen: null, answered: 0, unanswered: null });
  own.data = data;
  own.whole.answered(data.turn, message => setStateValue("frame", message));
  own.frame = isWhole => {
    const layers = layersOf();
    if (!layers) return null;
    const { generation, side } = own.data;
    return { generation, is_whole: isWhole, seconds: performance.now() / 1000, png: pictureOf(layers, side) };
  };
  // Of all calls for one place on the page, what the last one returned is called when the place goes.
  own.stop ??= () => {
    own.listens?.abort();
    own.listens = null;
  };
  if (own.listens) return own.stop;
  // The frame of a lifted pen that no quick answer has shown goes to the page: where none comes, and before whatever is
  // clicked next, which must find the whole stroke.
  const tellPage = () => {
    const frame = own.unanswered;
    own.unanswered = null;
    if (frame) own.whole.post(() => frame);
  };
  const ask = async message => {
    const asked = fetch(fromHere(own.data.address), { method: "POST", body: JSON.stringify(message) });
    const told = await asked.then(answer => (answer.ok ? answer.json() : null)).catch(() => null);
    if (told !== null && message.seconds === own.unanswered?.seconds) own.unanswered = null;
    if (told === null) {
      tellPage();
      await new Promise(done => setTimeout(done, LONGEST_REST)); // the next frame is tried then
    }
    if (message.turn <= own.answered) return; // a lifted pen's has overtaken it
    own.answered = message.turn;
    const { number, html, curve } = told ?? {};
    // An answer that a run of the page knew already may have been undone or cleared since. The verdict on screen says which run
    // that was: Streamlit hands a component the data of a run only after that run is on screen.
    if (html && number > answersInPage()) {
      put(html);
      document.dispatchEvent(new CustomEvent("drawn", { detail: { generation: message.generation, number, curve } }));
    }
    own.quick.answered(message.turn, ask);
  };
  own.quick.answered(own.answered, ask);
  own.listens = new AbortController();
  const listen = (name, action) => document.addEventListener(name, action, { capture: true, signal: own.listens.signal });
  listen("pointerdown", event => {
    if (event.button) return; // of a mouse's buttons only the first draws
    // A second finger is no pen.
    if (event.composedPath().some(element => element.classList?.contains("upper-canvas"))) own.pen ??= event.pointerId;
    else tellPage();
  });
  listen("keydown", tellPage);
  // The layers are painted after the event that they are painted for.
  const want = () =>
    requestAnimationFrame(() => {
      const isLifted = own.pen === null;
      // A page that is not all there has no place for a quick answer.
      if (placeOf("score")) {
        own.quick.post(() => {
          const frame = own.frame(isLifted);
          if (isLifted) own.unanswered = frame;
          return frame;
        }, !isLifted);
        if (isLifted) own.quick.hurry(); // a busy server leaves the frame of a moving pen waiting, and answers this at once
      } else own.whole.post(() => own.frame(isLifted), !isLifted);
    });
  const lift = event => {
    if (event.pointerId !== own.pen) return;
    own.pen = null;
    requestAnimationFrame(want);
  };
  // A pen that was lifted outside of the window comes back without a button.
  listen("pointermove", event => (event.buttons ? event.pointerId === own.pen && want() : lift(event)));
  for (const name of ["pointerup", "pointercancel"]) listen(name, lift);
  // The canvas ends a stroke only with the last finger on the screen, and never where the system takes the touch away: with
  // its own finger gone it is told that all are.
  for (const name of ["touchend", "touchcancel"])
    listen(name, event => {
      const upper = event.composedPath().find(element => element.classList?.contains("upper-canvas"));
      if (!upper || own.pen !== null || (name === "touchend" && !event.touches.length)) return;
      upper.dispatchEvent(new TouchEvent("touchend", { bubbles: true, composed: true, cancelable: true }));
    });
  return own.stop;
}
