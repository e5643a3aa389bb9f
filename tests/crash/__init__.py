"""What the tests of crashes and `bench/soak.py` share: senders that keep accounts, faults, and what must hold."""
