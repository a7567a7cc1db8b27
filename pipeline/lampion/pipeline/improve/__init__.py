"""`lampion improve`: learning from failure, round by round."""
