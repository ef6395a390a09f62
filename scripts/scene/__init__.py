"""Whole Sentinel-2 scenes of simulated coasts, in the forms in which scenes are delivered."""
