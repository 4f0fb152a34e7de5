"""The deploy folder of a build: everything that a PYNQ board needs, as one zip."""
