"""What goes up as what, byte by byte."""
