"""The model module that backs every page. Nothing in here knows Streamlit or Plotly.

Read framing, preprocessing, model, scoring, training, detector, in this order: they are the autoencoder and its verdict.
Then ensemble (ten detectors at once), metrics, checkpoint, presets. drawing and photos make images of what people draw.
data holds data sets, jobs trains beside pages, experiments has the command lines, server what one server has.
docs/architecture.md shows how they hang together.
"""

import torch

__version__ = "0.1.0"

# One thread for each network. These networks are so small that a second thread wins little on an
# idle machine and loses a lot on a busy one: measured beside one other busy process on two cores,
# ten epochs took 4 s with one thread and 154 s with two. Jobs run side by side instead.
torch.set_num_threads(1)
