"""What a training takes from frames: parts to train and judge by, and what the model must know of them."""
