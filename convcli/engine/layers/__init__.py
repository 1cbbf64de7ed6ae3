"""How `conv2d` computes a layer in parts: by im2col, or with fewer products by Winograd."""
