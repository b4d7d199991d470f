"""`make soak`: many rollouts at once for a while, to see whether the controller grows."""
