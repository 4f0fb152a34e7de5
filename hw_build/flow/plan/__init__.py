"""Plans a recipe for a data set and a board, by rules on the data's figures and the models of cycles and resources."""
