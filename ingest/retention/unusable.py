class Unusable(Exception):  # noqa: N818
    """A file, or an installation, that cannot be used for archives; the text says which, why, and what to do."""
