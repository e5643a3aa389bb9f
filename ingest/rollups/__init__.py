"""Aggregates: counted from raw rows, one bucket at a time, and replaced whole. Nothing here is ever incremented.

`raw` reads a range into arrays, `recount` makes the rows of its buckets out of them (pure), `rows` replaces what is
stored, `rebuild` does all three in one transaction, `drain` does it for every bucket that was marked dirty.
"""
