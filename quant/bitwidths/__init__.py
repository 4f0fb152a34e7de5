"""Which layers need their bits: what each loses at fewer (``sensitivity``), and a width for each (``search``).

Everything here is post-training: a quantized twin is taken as it is, layers are swapped for ones of fewer bits that are
fitted to it, and the IoU is measured.
"""
