"""What joins the parts: the steps of a build and their reports, check, adopt, scale, plan, bench."""
