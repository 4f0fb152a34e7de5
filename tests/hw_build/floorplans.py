"""A small device in the form of Project X-Ray's tile grid."""

import json

COLUMNS, ROWS = 64, 64


def grid() -> dict:
    """64 x 64 tiles: the processing system in a corner, two columns of DSPs, two of block RAMs, else slices."""
    tiles = {"PSS2_X0Y0": (0, 0, {"PS7_X0Y0": "PS7"})}
    for column in range(1, COLUMNS):
        for row in range(ROWS):
            name = f"X{column}Y{row}"
            if column in (16, 48):
                number, tall = column // 32, row // 5
                if row % 5 == 0:
                    names = [f"DSP48_X{number}Y{2 * tall + place}" for place in (1, 0)]  # the upper one first
                    tiles[f"DSP_L_{name}"] = (column, row, dict.fromkeys(names, "DSP48E1"))
            elif column in (24, 56):
                if row % 5 == 0:
                    site = f"X{column // 32}Y{row // 5}"
                    halves = [f"RAMB18_X{column // 32}Y{row // 5 * 2 + half}" for half in (0, 1)]
                    sites = {f"RAMB36_{site}": "RAMBFIFO36E1", halves[1]: "RAMB18E1", halves[0]: "FIFO18E1"}
                    tiles[f"BRAM_L_{name}"] = (column, row, sites)
            else:
                sites = {f"SLICE_X{2 * column + place}Y{row}": "SLICEL" for place in (0, 1)}
                tiles[f"CLBLL_L_{name}"] = (column, row, sites)
    return {
        name: {"type": name.rpartition("_")[0], "grid_x": x, "grid_y": y, "sites": sites}
        for name, (x, y, sites) in tiles.items()
    }


def write_grid(folder):
    """Lay ``tilegrid.json`` into ``folder``, which is made."""
    folder.mkdir()
    (folder / "tilegrid.json").write_text(json.dumps(grid()))
