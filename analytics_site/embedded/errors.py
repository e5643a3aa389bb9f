"""What is said when a server or its folder cannot be used."""


class EmbeddedError(Exception):
    """One sentence for the person at the terminal: the thing, its value, the rule, the way out."""
