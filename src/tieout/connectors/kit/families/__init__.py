"""Protocol families: what several systems of one kind share."""
