"""Volumes: their files, their data sets, networks that segment them, and scores by volume."""
