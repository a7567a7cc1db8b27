"""`lampion doctor`: is this installation able to run, and if not, why."""
