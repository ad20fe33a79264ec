// The wall. data is what wall.py sends: cards in their order, and the heights of the bars between 0 and 1.
export default function ({ data, parentElement, setTriggerValue }) {
  const wall = parentElement.querySelector(".wall");
  const own = (wall.own ??= { cards: new Map(), isFirst: true });
  const list = wall.querySelector(".drawings");
  const bars = wall.querySelector(".bars");
  const count = data.cards.length;
  list.style.setProperty("--side", count <= 24 ? "6.5rem" : count <= 60 ? "5rem" : count <= 120 ? "4rem" : "3.1rem");
  list.classList.toggle("small", count > 60);
  list.ariaLabel = data.label;

  const make = number => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.onclick = () => setTriggerValue("open", number);
    const line = name => Object.assign(document.createElement("span"), { className: name });
    button.append(new Image(), line("score"), line("who"), document.createElement("b"));
    item.append(button);
    if (!own.isFirst) item.classList.add("new");
    return item;
  };
  const shown = new Set();
  data.cards.forEach((card, index) => {
    shown.add(card.number);
    let item = own.cards.get(card.number);
    if (!item) own.cards.set(card.number, (item = make(card.number)));
    const [button] = item.children;
    const [image, score, who, place] = button.children;
    if (image.src !== card.picture) image.src = card.picture;
    image.alt = card.verdict; // with the lines below it the button's name: what is seen of it is also heard
    score.textContent = card.score;
    who.textContent = card.who;
    place.textContent = card.place;
    button.title = card.label;
    button.ariaPressed = card.number === data.opened;
    for (const kind of ["normal", "anomaly"]) item.classList.toggle(kind, card.kind === kind);
    item.classList.toggle("hidden", card.is_hidden);
    // What is in its place already stays there: a card that is moved would lose the focus.
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
  for (const [number, item] of own.cards) {
    if (shown.has(number)) continue;
    item.remove();
    own.cards.delete(number);
  }
  own.isFirst = false;

  while (bars.querySelectorAll("i").length < data.bars.length) bars.prepend(document.createElement("i"));
  bars.querySelectorAll("i").forEach((bar, number) => {
    bar.style.height = `${100 * data.bars[number]}%`;
    bar.className = number < data.bars.length / 2 ? "normal" : "anomaly";
  });
  bars.ariaLabel = data.histogram;
  wall.querySelectorAll(".ends span").forEach((span, number) => (span.textContent = data.ends[number]));
  const empty = wall.querySelector(".empty");
  empty.textContent = data.empty;
  empty.hidden = count > 0;
}
