"""The hub: it takes facts in, keeps them, decides who owns them, and says what happened."""
