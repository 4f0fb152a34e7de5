"""The bench: cost of a network and speed of the flow as JSON, and the JSON of all stages as one file and a table."""
