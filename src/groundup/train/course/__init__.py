"""The course of a run: what each of its steps is made of, as a pure function of the step."""
