// The score along a drawing. data is what replay.py sends: heights from 0 to 1, the threshold in the middle. While a pen moves
// the curve grows with each quick answer (live_canvas.js), for which the page does not run.
export default function ({ data, parentElement, setStateValue }) {
  const replay = parentElement.querySelector(".replay");
  const own = (replay.own ??= { messages: new Messages(), isDragged: false, moment: null, drawn: null });
  let heights, last;
  const take = changed => {
    Object.assign(data, changed);
    heights = data.heights;
    last = heights.length - 1;
  };
  own.messages.answered(data.turn, message => setStateValue("look", message));
  // A run of the page that began before the last quick answer knows less of the drawing than is on screen.
  if (own.drawn?.generation === data.generation && own.drawn.number > data.answers) take(own.drawn.curve);
  else {
    take({});
    if (!own.isDragged && own.messages.areAnswered) own.moment = data.moment;
  }

  const show = () => {
    const moment = Math.min(own.moment ?? last, last);
    replay.classList.toggle("empty", last < 1);
    replay.querySelector(".curve").setAttribute("d", last < 1 ? "" : `M${heights.map((height, number) => `${number / last} ${1 - height}`).join("L")}`);
    // The picture of the curve ends above the line of text.
    const place = (mark, number, isShown) => {
      mark.style.display = isShown ? "block" : "none";
      mark.style.left = `${(100 * number) / last}%`;
    };
    const turn = replay.querySelector(".turn");
    place(turn, data.turned, data.turned !== null);
    turn.className = `turn ${data.is_anomaly ? "anomaly" : "normal"}`;
    turn.style.top = "26px";
    place(replay.querySelector(".here"), moment, own.moment !== null);
    replay.querySelector("span").textContent = data.text;
    replay.ariaLabel = data.label;
    replay.ariaValueMin = 1;
    replay.ariaValueMax = last + 1;
    replay.ariaValueNow = moment + 1;
    replay.ariaValueText = `${moment + 1} / ${last + 1}: ${data.words[Number(heights[moment] > 0.5)]}`;
  };
  const look = (moment, isLetGo) => {
    own.moment = Math.min(Math.max(moment, 0), last);
    show();
    own.messages.post(() => ({ moment: own.moment, is_let_go: isLetGo }));
  };
  const pointed = event => {
    const box = replay.getBoundingClientRect();
    return Math.round(((event.clientX - box.left) / box.width) * last);
  };

  replay.onpointerdown = event => {
    if (last < 1) return;
    replay.setPointerCapture(event.pointerId);
    own.isDragged = true;
    own.before = own.moment;
    look(pointed(event), false);
  };
  replay.onpointermove = event => {
    if (own.isDragged) look(pointed(event), false);
  };
  const letGo = moment => {
    if (own.isDragged) look(moment, true);
    own.isDragged = false;
  };
  replay.onpointerup = () => letGo(own.moment);
  replay.onpointercancel = () => letGo(own.before ?? last); // a finger that scrolls the page looks at nothing
  replay.onkeydown = event => {
    const now = own.moment ?? last;
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
    if (to === undefined || last < 1) return;
    event.preventDefault();
    look(to, true);
  };
  show();
  const stop = () => document.removeEventListener("drawn", own.grow);
  stop(); // what an earlier call for this place listened with
  own.grow = event => {
    own.drawn = event.detail;
    take(own.drawn.curve);
    if (!own.isDragged) own.moment = null; // the drawing as it is now is what is judged
    show();
  };
  document.addEventListener("drawn", own.grow);
  return stop;
}
