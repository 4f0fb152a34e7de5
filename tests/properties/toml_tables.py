"""Random TOML: a table that a command takes, with a few things wrong, written as text."""

import copy
import json

from hypothesis import strategies as st

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=4)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2, 3, 2.5, 1e-300, 1e300, float("nan"), float("inf"), float("-inf"), 2**31, 10**40]),
    st.integers(-9, 300),
    st.floats(),
)
SCALARS = st.one_of(NUMBERS, st.booleans(), KEYS, st.dates(), st.times(), st.datetimes())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)
UNREADABLE = [b"a = " + b"[" * 5000, b"a = " + b"1" * 5000, "a = 1".encode("utf-16"), b"\xef\xbb\xbfa = ", b"a = \x80"]


def text_of(value, *, top=True):
    """``value`` as TOML; the table that is the whole file a key a line, those inside it in one line."""
    if isinstance(value, dict):
        entries = [f"{text_of(key)} = {text_of(entry, top=False)}" for key, entry in value.items()]
        return "".join(f"{entry}\n" for entry in entries) if top else "{" + ", ".join(entries) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(text_of(entry, top=False) for entry in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value) if isinstance(value, int | float) else value.isoformat()


@st.composite
def altered(draw, table, *, values=VALUES, most=2):
    """The text of ``table`` after up to ``most`` changes: a value replaced, a key left out, added or misspelt."""
    table = copy.deepcopy(table)
    for _ in range(draw(st.integers(0, most))):
        inside = draw(st.sampled_from(_tables(table)))
        keys = list(inside)
        change = draw(st.sampled_from(["replace", "replace", "replace", "leave out", "add", "misspell"]))
        if change == "add" or not keys:
            inside[draw(KEYS)] = draw(values)
            continue
        key = draw(st.sampled_from(keys))
        if change == "replace":
            inside[key] = draw(values)
        else:
            value = inside.pop(key)
            if change == "misspell":
                inside[key + draw(KEYS)] = value
    return text_of(table)


def texts(table, **how):
    """Files that hold an altered ``table``, or anything at all: bytes."""
    return (
        altered(table, **how).map(str.encode)
        | st.binary(max_size=30)
        | st.text(max_size=30).map(lambda text: text.encode("utf-16"))
    )


def _tables(value):
    """``value`` and all tables inside it."""
    found = [value] if isinstance(value, dict) else []
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return found + [table for entry in inside for table in _tables(entry)]
