"""How `filter2d` computes one kernel over an image: a room for each way, a planner before them."""
