"""The model module that backs every page: data, networks, training, score, detector.

Nothing in here knows Streamlit or Plotly.
"""

import torch

# One thread for each network. These networks are so small that a second thread wins little on an
# idle machine and loses a lot on a busy one: measured beside one other busy process on two cores,
# ten epochs took 4 s with one thread and 154 s with two. Jobs run side by side instead.
torch.set_num_threads(1)
