// For the projector, in the size of its text: the least width of a card with so many lines below its image, and of one without.
const WIDTHS = [2.4, 4.7, 6.5], LINE = 1.35, GAP = .35;

// How many columns, and how many lines each card has, so that all fit; with the smallest cards, how many do.
function arranged(count, width, height, text) {
  for (let lines = 2; lines >= 0; lines--) {
    for (let columns = 1; (width + GAP * text) / columns >= (WIDTHS[lines] + GAP) * text; columns++) {
      const side = (width + GAP * text) / columns - GAP * text;
      const rows = Math.floor((height + GAP * text) / (side + (lines * LINE + GAP) * text));
      if (rows * columns >= count) return { columns, lines, most: count };
    }
  }
  const columns = Math.max(1, Math.floor((width + GAP * text) / ((WIDTHS[0] + GAP) * text)));
  const side = (width + GAP * text) / columns - GAP * text;
  const rows = Math.floor((height - LINE * text + GAP * text) / (side + GAP * text)); // a line says how many more there are
  return { columns, lines: 0, most: Math.max(1, rows) * columns };
}

// The wall. data is what wall.py sends: cards in their order, and the heights of the bars between 0 and 1.
export default function ({ data, parentElement, setTriggerValue }) {
  const wall = parentElement.querySelector(".wall");
  const own = (wall.own ??= { cards: new Map(), isFirst: true });
  const list = wall.querySelector(".drawings");
  const bars = wall.querySelector(".bars");
  const count = data.cards.length;
  const more = wall.querySelector(".more");
  if (!data.fits) list.style.setProperty("--side", count <= 24 ? "6.5rem" : count <= 60 ? "5rem" : count <= 120 ? "4rem" : "3.1rem");
  list.classList.toggle("small", !data.fits && count > 60);
  list.ariaLabel = data.label;

  const make = number => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.onclick = () => setTriggerValue("open", number);
    const line = name => Object.assign(document.createElement("span"), { className: name });
    const score = line("score");
    score.append(document.createElement("data"), " ", document.createElement("i"));
    button.append(new Image(), score, line("who"), document.createElement("b"));
    item.append(button);
    if (!own.isFirst) item.classList.add("new");
    item.onanimationend = () => item.classList.remove("new"); // a card that is moved later does not arrive again
    return item;
  };
  // Those that are gone go first: each of the others would be moved beyond them.
  const shown = new Set(data.cards.map(card => card.number));
  for (const [number, item] of own.cards) {
    if (shown.has(number)) continue;
    item.remove();
    own.cards.delete(number);
  }
  data.cards.forEach((card, index) => {
    let item = own.cards.get(card.number);
    if (!item) own.cards.set(card.number, (item = make(card.number)));
    const [button] = item.children;
    const [image, score, who, place] = button.children;
    if (image.src !== card.picture) image.src = card.picture;
    image.alt = card.verdict; // with the lines below it the button's name: what is seen of it is also heard
    [score.firstChild.textContent, score.lastChild.textContent] = [card.score, card.sign];
    who.textContent = card.who;
    place.textContent = card.place;
    button.title = card.label;
    button.ariaPressed = card.number === data.opened;
    for (const kind of ["normal", "anomaly"]) item.classList.toggle(kind, card.kind === kind);
    item.classList.toggle("hidden", card.is_hidden);
    // What is in its place already stays there: a card that is moved would lose the focus.
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
  own.isFirst = false;

  while (bars.querySelectorAll("i").length < data.bars.length) bars.prepend(document.createElement("i"));
  bars.querySelectorAll("i").forEach((bar, number) => {
    bar.style.height = `${100 * data.bars[number]}%`;
    bar.className = number < data.bars.length / 2 ? "normal" : "anomaly";
  });
  bars.classList.toggle("low", data.fits);
  bars.ariaLabel = data.histogram;
  wall.querySelectorAll(".ends span").forEach((span, number) => (span.textContent = data.ends[number]));
  const empty = wall.querySelector(".empty");
  empty.textContent = data.empty;
  empty.hidden = count > 0;

  const say = left => (more.textContent = left ? data.more.replace("{count}", left) : "");
  say(data.beyond);
  // What stands above the cards may take more or less room, and the screen may change.
  own.fit = () => {
    const text = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const height = 0.98 * innerHeight - list.getBoundingClientRect().top;
    const { columns, lines, most } = arranged(count, list.clientWidth, height, text);
    list.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    list.dataset.lines = lines;
    [...list.children].forEach((item, index) => (item.hidden = index >= most));
    say(Math.max(0, count - most) + data.beyond);
  };
  own.observer?.disconnect();
  if (!data.fits) return;
  const observer = (own.observer = new ResizeObserver(() => own.fit()));
  const block = wall.getRootNode().host?.closest("[data-testid=stVerticalBlock]");
  for (const seen of [document.documentElement, block, ...(block?.children ?? [])]) if (seen) observer.observe(seen);
  own.fit();
  return () => observer.disconnect();
}
