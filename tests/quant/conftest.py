"""The networks of these tests are tiny: more than one thread only makes them wait for each other."""

import torch

torch.set_num_threads(1)
