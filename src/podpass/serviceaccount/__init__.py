"""The pure rules of the bound token; takes `now`, never a clock."""
