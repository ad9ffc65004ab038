"""Pages of the App Home."""
