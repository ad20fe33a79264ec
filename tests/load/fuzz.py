"""Five thousand drawings and files as nobody should send them: `make load` begins with this.

The exit status is 1 when one of them ends in anything but an image, nothing or a sentence, or takes more memory
than it may.
"""

import argparse
import time
import warnings
from collections import Counter

import numpy as np

from core.drawing import from_canvas_png, from_picture
from tests.hostile import CANVASES, FILES, MOST_MEMORY, READERS, STRONG, outcome, peak_memory
from tests.load.server import Row, show


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    cases = parser.parse_args().cases
    warnings.simplefilter("ignore")
    random = np.random.default_rng(0)
    ends: Counter[str] = Counter()
    most, started = 0.0, time.monotonic()
    strong = [(read, make) for read in READERS for make in STRONG.values()]
    ordinary = [(read, make) for read, kinds in ((from_canvas_png, CANVASES), (from_picture, FILES)) for make in kinds.values()]
    for number in range(cases):
        read, make = strong[number] if number < len(strong) else ordinary[number % len(ordinary)]
        data = make(random)
        before = peak_memory(forget=True)
        found = outcome(read, data)
        most = max(most, peak_memory() - before)
        ends["nothing" if found is None else "a sentence" if isinstance(found, str) else "an image"] += 1
    took = time.monotonic() - started
    rows = [
        Row("drawings and files", f"{cases:,}", f"{sum(ends.values()):,}", sum(ends.values()) == cases, f"{took:.0f} s"),
        *[Row(f"  ended as {end}", "", f"{count:,}", None) for end, count in ends.most_common()],
        Row("most memory that one took", f"<= {MOST_MEMORY:.0f} MB", f"{most:.0f} MB", most <= MOST_MEMORY),
    ]
    raise SystemExit(0 if show("Canvas and uploads", rows) else 1)


if __name__ == "__main__":
    main()
