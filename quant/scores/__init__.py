"""Scores of masks, and what they would be on other draws of the images."""
