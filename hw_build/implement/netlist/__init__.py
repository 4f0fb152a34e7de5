"""The whole device as one netlist of cells: put together from mapped parts, made placeable, checked and simulated."""
