"""Which network, at which size and rate, fits which board: the models of cycles and resources over a grid of points."""
