"""Numbers from text, JSON and `.npy`: the one reader of them, made for hostile files."""
