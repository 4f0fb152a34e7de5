"""How fast the integer reference and the training are."""
