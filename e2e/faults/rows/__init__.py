"""The rows of the table of faults, a module for each family or two."""
