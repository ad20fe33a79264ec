// A plane of images: points that show their image under the pointer, or a map of decoded images to move in.
// data is what scatter_map.py sends; coordinates are the latent space's, extent is [left, right, bottom, top].
const SIDE = 28;
const TILE = 24; // pixels on screen of an image that stands for its point
const SIGNS = { normal: "●", anomaly: "▲", drawing: "◆" };

function mark(pen, kind, colour, x, y, size) {
  pen.beginPath();
  pen.strokeStyle = pen.fillStyle = colour;
  if (kind === "anomaly") {
    pen.moveTo(x, y - 1.3 * size); pen.lineTo(x + 1.2 * size, y + size); pen.lineTo(x - 1.2 * size, y + size);
    pen.fill();
  } else if (kind === "normal") {
    pen.arc(x, y, size, 0, 7);
    pen.fill();
  } else {
    pen.moveTo(x, y - 3 * size); pen.lineTo(x + 3 * size, y); pen.lineTo(x, y + 3 * size); pen.lineTo(x - 3 * size, y);
    pen.fill();
  }
}

function ring(pen, x, y, radius) {
  for (const [colour, width] of [["#000", 5], ["#fff", 2.5]]) {
    pen.beginPath();
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.arc(x, y, radius, 0, 7);
    pen.stroke();
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const canvas = parentElement.querySelector("canvas.plane");
  const tip = parentElement.querySelector(".tip");
  const own = (canvas.own ??= { hovered: -1, pressed: false, messages: new Messages(), images: {} });
  const { points, extent: [left, right, bottom, top] } = data;
  const moves = points === null;
  const layout = `${points?.tiles} ${data.extent}`;
  own.messages.answered(data.turn, message => setStateValue(moves ? "place" : "chosen", message));
  // While an arrow key is held, answers are older than what is chosen.
  if (moves && !own.pressed && own.messages.areAnswered) own.cursor = data.cursor;
  if (moves) own.chosen = -1;
  else if (own.messages.areAnswered || own.layout !== layout) own.chosen = points.tiles.indexOf(data.chosen);

  ["x", "y"].forEach((name, index) => {
    parentElement.querySelector(`.${name}`).textContent = data.axes[index] && `${data.axes[index]} →`;
  });
  parentElement.querySelector(".legend").replaceChildren(
    ...Object.entries(data.legend ?? {}).flatMap(([kind, name]) => {
      const sign = document.createElement("span");
      sign.textContent = SIGNS[kind];
      sign.style.color = data.colours[kind];
      return [sign, ` ${name}\u2003`];
    }),
  );
  canvas.setAttribute("aria-label", data.label);
  canvas.style.aspectRatio = data.aspect;
  canvas.style.touchAction = moves ? "none" : "manipulation";

  const toPixels = (x, y) => [
    ((x - left) / (right - left)) * canvas.clientWidth,
    ((top - y) / (top - bottom)) * canvas.clientHeight,
  ];
  const toPlace = (event) => [
    left + ((right - left) * Math.min(Math.max(event.offsetX / canvas.clientWidth, 0), 1)),
    top - ((top - bottom) * Math.min(Math.max(event.offsetY / canvas.clientHeight, 0), 1)),
  ];

  function picture(name) {
    if (!data[name]) return null;
    const held = own.images[name];
    if (held?.url === data[name]) return held.image.complete ? held.image : held.before;
    const image = new Image();
    // Until a new map is decoded, the one before stays.
    own.images[name] = { url: data[name], image, before: held?.image ?? null };
    image.onload = draw;
    image.src = data[name];
    return held?.image ?? null;
  }

  function tile(pen, number, x, y, size) {
    const sprite = picture("sprite");
    if (!sprite) return;
    const columns = sprite.width / SIDE;
    pen.drawImage(sprite, (number % columns) * SIDE, Math.floor(number / columns) * SIDE, SIDE, SIDE, x, y, size, size);
  }

  /** Numbers of the points whose image covers no other: the chosen one first, then drawings, normal images and anomalies. */
  function withRoom() {
    const rank = { drawing: 1, normal: 2, anomaly: 3 };
    const order = points.kinds.map((kind, index) => [index === own.chosen ? 0 : rank[kind], index]).sort(([a, i], [b, j]) => a - b || i - j);
    const cells = new Map(), found = new Set();
    for (const [, index] of order) {
      const [x, y] = toPixels(points.x[index], points.y[index]);
      const [column, row] = [Math.floor(x / TILE), Math.floor(y / TILE)];
      const near = [-1, 0, 1].flatMap(a => [-1, 0, 1].flatMap(b => cells.get(`${column + a} ${row + b}`) ?? []));
      if (near.some(([left, top]) => Math.abs(left - x) < TILE && Math.abs(top - y) < TILE)) continue;
      cells.set(`${column} ${row}`, [[x, y]]);
      found.add(index);
    }
    return found;
  }

  function draw() {
    const scale = window.devicePixelRatio;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const backdrop = picture("backdrop");
    if (backdrop) pen.drawImage(backdrop, 0, 0, canvas.clientWidth, canvas.clientHeight);
    picture("sprite");
    const size = canvas.clientWidth < 400 ? 2.4 : 3.2;
    const free = data.as_images ? withRoom() : null;
    // The few lie above the many, and images above the points that have no room for theirs.
    for (const hasImage of [false, true]) for (const shown of ["anomaly", "normal", "drawing"]) points?.kinds.forEach((kind, index) => {
      if (kind !== shown || (free?.has(index) ?? false) !== hasImage) return;
      const [x, y] = toPixels(points.x[index], points.y[index]);
      if (hasImage) tile(pen, points.tiles[index], x - TILE / 2, y - TILE / 2, TILE);
      mark(pen, kind, data.colours[kind], hasImage ? x + 9 : x, hasImage ? y - 9 : y, hasImage ? size : data.as_images ? size / 2 : size);
    });
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillStyle = "#fff";
    pen.font = "600 11px sans-serif";
    if (!data.as_images) points?.numbers.forEach((number, index) => {
      if (number) pen.fillText(number, ...toPixels(points.x[index], points.y[index]));
    });
    if (own.hovered >= 0) ring(pen, ...toPixels(points.x[own.hovered], points.y[own.hovered]), 8);
    if (own.chosen >= 0) ring(pen, ...toPixels(points.x[own.chosen], points.y[own.chosen]), 10);
    if (own.cursor) ring(pen, ...toPixels(...own.cursor), 10);
  }

  function nearest(event) {
    let best = -1;
    let least = 24 ** 2;
    points.x.forEach((value, index) => {
      const [x, y] = toPixels(value, points.y[index]);
      const distance = (x - event.offsetX) ** 2 + (y - event.offsetY) ** 2;
      if (distance < least) [best, least] = [index, distance];
    });
    return best;
  }

  function hover(index) {
    if (index === own.hovered) return;
    own.hovered = index;
    tip.classList.toggle("shown", index >= 0);
    if (index >= 0) {
      const [x, y] = toPixels(points.x[index], points.y[index]);
      tile(tip.querySelector("canvas").getContext("2d"), points.tiles[index], 0, 0, SIDE);
      tip.querySelector("span").textContent = points.texts[index];
      // Beside the point, on the side where there is room.
      const toLeft = x > canvas.clientWidth / 2;
      tip.style.left = toLeft ? "auto" : `${canvas.offsetLeft + x + 16}px`;
      tip.style.right = toLeft ? `${canvas.clientWidth - x + 16}px` : "auto";
      tip.style.top = `${Math.min(Math.max(y - 48, 0), canvas.clientHeight - 96)}px`;
    }
    draw();
  }

  function choose(index) {
    own.chosen = index;
    draw();
    own.messages.post(() => ({ tile: points.tiles[index] }));
  }

  function move(place) {
    own.cursor = place;
    draw();
    own.messages.post(() => ({ at: place }));
  }

  canvas.onpointerdown = (event) => {
    if (!moves) return;
    own.pressed = true;
    canvas.setPointerCapture(event.pointerId);
    move(toPlace(event));
  };
  canvas.onpointermove = (event) => {
    if (!moves) hover(nearest(event));
    else if (own.pressed) move(toPlace(event));
  };
  canvas.onpointerup = (event) => {
    if (moves && own.pressed) move(toPlace(event));
    own.pressed = false;
  };
  canvas.onpointercancel = () => { own.pressed = false; };
  canvas.onpointerleave = () => { if (!moves) hover(-1); };
  canvas.onclick = (event) => {
    if (moves) return;
    const index = nearest(event);
    hover(index);
    if (index >= 0) choose(index);
  };
  canvas.onkeydown = (event) => {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key] ?? [0, 0];
    if (!x && !y) return;
    event.preventDefault();
    if (moves) {
      const [a, b] = own.cursor;
      const within = (value, low, high) => Math.min(Math.max(value, low), high);
      move([within(a + (x * (right - left)) / 30, left, right), within(b + (y * (top - bottom)) / 30, bottom, top)]);
    } else if (points.x.length) {
      choose((own.chosen + x + y + points.x.length) % points.x.length);
      hover(own.chosen);
    }
  };

  // What is under the pointer stays there unless the points are others.
  if (own.layout !== layout) hover(-1);
  own.layout = layout;
  draw();
  const stop = () => own.resized?.disconnect();
  stop(); // what an earlier call for this place watched with
  own.resized = new ResizeObserver(draw);
  own.resized.observe(canvas);
  return stop;
}
