"""What the commands do on the terminal, a module each."""
