"""Room 2: labelled frames in, checkpoint of a trained potential out. Imports no other room."""
