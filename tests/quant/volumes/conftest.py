"""One thread is enough for volumes of 16^3, and the helpers beside the tests are found."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
torch.set_num_threads(1)
