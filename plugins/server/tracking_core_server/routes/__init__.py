"""What the server answers, room by room."""
