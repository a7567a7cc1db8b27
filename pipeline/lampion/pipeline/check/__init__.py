"""`lampion check`: does a model file keep the laws of a potential."""
