"""Small runs that say what a large one will do: the ladder, and the band that its target is watched by."""
