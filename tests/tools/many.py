"""Multiplies a deposit with its recipients and journal entries in the database of a stopped demonstration.

usage: many.py DATABASE DEPOSIT ENTRIES

What is made is for reading only: the entries are not leaves of the log. Every hundredth deposit stays the sender's,
the others belong to nobody who can log in. Deposits lie ten minutes apart, the newest one ten minutes back.
"""

import os
import sqlite3
import sys
import uuid

ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
APART = 600 * 1_000_000


def reference(number):
    letters = []
    for _ in range(8):
        number, digit = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[digit])
    return "".join(reversed(letters))


def insert(db, table, columns, rows):
    places = ", ".join("?" * len(columns))
    db.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)


def main():
    path, deposit, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA synchronous = off")
    one = dict(db.execute("SELECT * FROM deposits WHERE id = ?", (deposit,)).fetchone())
    people = [dict(r) for r in db.execute("SELECT * FROM consignments WHERE deposit = ?", (deposit,))]
    entries = [dict(r) for r in db.execute("SELECT * FROM journal WHERE deposit = ? ORDER BY time, id", (deposit,))]
    begun, place = one["created"], 10**9 + wanted
    # Content that is no more: nothing of the copies can be opened.
    one.update(wrapped_key=None, meta=b"")
    for number in range(1, wanted // len(entries) + 1):
        own = number % 100 == 0
        created = begun - number * APART
        made = dict(one, id=str(uuid.uuid4()), reference=reference(number), created=created,
                    idempotency=os.urandom(len(one["idempotency"])))
        if not own:
            made.update(account=None, sender=f"sender{number % 300}@sealpost.test",
                        sender_key=f"sender{number % 300}@sealpost.test")
        insert(db, "deposits", list(made), [list(made.values())])
        rows = []
        for person in people:
            address = f"person{(number * 7 + person['recipient']) % 20000}@example.test"
            rows.append(dict(person, deposit=made["id"], address=address, address_key=address))
        insert(db, "consignments", list(rows[0]), [list(r.values()) for r in rows])
        # Newer entries lie further on in the log.
        place -= len(entries)
        rows = []
        for n, entry in enumerate(entries):
            rows.append(dict(entry, id=str(uuid.uuid4()), deposit=made["id"], idx=place + n,
                             time=created + entry["time"] - begun))
        insert(db, "journal", list(rows[0]), [list(r.values()) for r in rows])
    db.commit()
    print(number, "deposits,", db.execute("SELECT COUNT(*) FROM journal").fetchone()[0], "entries")


main()
