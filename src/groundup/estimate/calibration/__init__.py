"""What earlier runs of this machine say of a plan's forecasts."""
