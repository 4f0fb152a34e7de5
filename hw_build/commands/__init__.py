"""What the commands print and write, one module per command."""
