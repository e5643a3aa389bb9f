"""JSON for programs, by a site's API key or a logged-in member. Described in docs/api.md."""
