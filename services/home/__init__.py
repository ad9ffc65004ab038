"""The pages of the App Home, and who has it open."""
