"""What a curation tells of itself: what was dropped and why, how values lie, what the data is, and what looks wrong."""
