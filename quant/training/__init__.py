"""Training: losses, steps, recipes, cross-validation, studies."""
