// While the pen is down, sends what is on the drawing canvas, and once more the moment it is lifted.
// The canvas is another component's, in an open shadow root beside this one; its strokes and its undo stay its own.
// One message is in flight at a time: the next is sent when the page has answered the last, and then it is the newest.
// After so many milliseconds an answer is taken for lost, as it is when the connection was.
const LOST = 2000;
const PLACE = ".st-key-canvas";

/** The two layers of the canvas: finished strokes, and the one being drawn. */
function layersOf() {
  for (const element of document.querySelectorAll(`${PLACE} *`)) {
    const upper = element.shadowRoot?.querySelector("canvas.dc-canvas.upper-canvas");
    if (upper) return [element.shadowRoot.querySelector("canvas.dc-canvas.lower-canvas"), upper];
  }
  return null;
}

function pictureOf([lower, upper]) {
  const picture = document.createElement("canvas");
  picture.width = lower.width;
  picture.height = lower.height;
  const pen = picture.getContext("2d");
  pen.drawImage(lower, 0, 0);
  pen.drawImage(upper, 0, 0, lower.width, lower.height);
  return picture.toDataURL("image/png");
}

export default function ({ data, parentElement, setStateValue }) {
  const own = (parentElement.live ??= { turn: 0, answered: 0, sent: 0, next: 0, isDown: false, isWanted: false });
  // The page's answer names the turn that it answers; a new session counts anew.
  if (data.turn < own.answered) own.turn = data.turn;
  // While the pen moves, a busy server gets as long a rest as its answer took: thirty who draw share what there is.
  if (data.turn > own.answered) own.next = 2 * performance.now() - own.sent;
  own.answered = data.turn;
  own.turn = Math.max(own.turn, data.turn);
  own.send = () => {
    const now = performance.now();
    const waits = (own.answered < own.turn && now - own.sent < LOST) || (own.isDown && now < own.next);
    const layers = own.isWanted && !waits && layersOf();
    if (!layers) return;
    own.isWanted = false;
    own.sent = now;
    const [turn, generation, is_whole] = [++own.turn, data.generation, !own.isDown];
    setStateValue("frame", { turn, generation, is_whole, png: pictureOf(layers) });
  };
  own.send();
  if (own.listens) return;
  own.listens = new AbortController();
  const listen = (name, action) => document.addEventListener(name, action, { capture: true, signal: own.listens.signal });
  listen("pointerdown", event => {
    own.isDown = event.composedPath().some(element => element.classList?.contains("upper-canvas"));
  });
  // The layers are painted after the event that they are painted for.
  const want = () => requestAnimationFrame(() => { own.isWanted = true; own.send(); });
  const lift = () => {
    if (own.isDown) requestAnimationFrame(want);
    own.isDown = false;
  };
  // A pen that was lifted outside of the window comes back without a button.
  listen("pointermove", event => (event.buttons ? own.isDown && want() : lift()));
  for (const name of ["pointerup", "pointercancel"]) listen(name, lift);
  return () => {
    own.listens.abort();
    own.listens = null;
  };
}
