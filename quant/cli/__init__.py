"""One module per command: ``add`` describes its options, and what it runs is imported only then."""
