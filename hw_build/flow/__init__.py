"""What strings the parts together: the steps of a build and their reports, check, adopt, scale, bench."""
