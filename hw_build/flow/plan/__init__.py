"""A recipe for a data set and a board: rules on the data's figures, and the models of cycles and resources."""
