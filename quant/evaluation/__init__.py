"""What a trained network does on a split: predictions, scores, pictures, the gate."""
