"""One file per area; every file named *_.py is loaded."""
