"""Meridian, a generated professional-services firm that lives in all simulated systems at once."""
