"""What is kept for how long: days counted a last time, raw rows, sessions and sets taken away, days archived.

`cuts` says from when on a site keeps what (pure), `closing` counts days for the last time, `raw` takes events away,
`seal` turns sets of visitors into counts and sketches, `expiry` takes sessions and aggregates away, `archive` keeps
files of what goes, `cleanup` does all of it in an order in which it may end anywhere and be run again.
"""
