"""The project package: settings, URLs, processes. Version as in CHANGELOG.md."""

__version__ = "0.1.0"
