"""Studies and configs with mistakes in them, thousands of them, and what is said of each."""
