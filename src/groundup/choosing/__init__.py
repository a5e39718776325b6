"""An existing model, an adapted one or one's own: what is measured for `plan choose`."""
