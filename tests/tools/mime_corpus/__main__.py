"""Writes Sealpost's corpus of difficult messages: NAME.eml, and beside it NAME.tree, what is expected of it.

    python3 tests/tools/mime_corpus gateway/message/tests/corpus/made

Nothing expected here was asked of Sealpost's own parser: every line is said by the tables beside this file. What
Python's email package makes of the same message is noted in each file, for comparison, and decides nothing.
"""

import hashlib
import sys
from pathlib import Path

import boundaries
import charsets
import headers
import names
import structures
import transfer
from second_opinion import second_opinion

FAMILIES = (names, boundaries, transfer, charsets, structures, headers)


def main(folder):
    folder = Path(folder)
    seen = {}
    for family in FAMILIES:
        for case in family.cases():
            if case.name in seen:
                sys.exit(f"two cases are named {case.name}")
            seen[case.name] = case
    for old in folder.glob("*.tree"):
        if old.stem not in seen:
            old.unlink()
            old.with_suffix(".eml").unlink()
    same = 0
    for name, case in seen.items():
        python = second_opinion(case)
        same += python == "same"
        (folder / f"{name}.eml").write_bytes(case.message)
        (folder / f"{name}.tree").write_text(case.tree(python), encoding="utf-8", newline="\n")
    distinct = len({hashlib.sha256(case.message).digest() for case in seen.values()})
    print(f"{len(seen)} messages, {distinct} distinct, read alike by Python's email package: {same}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
