"""Acting on a screen: one step of a goal, its picture, and a loop that drives a real page until the goal is reached."""
