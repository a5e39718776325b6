"""What flows between stages: folders that are complete only with their manifest."""
