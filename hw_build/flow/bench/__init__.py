"""What a network takes and how fast the flow itself is, as JSON; and the JSON of all stages as one file and a table."""
