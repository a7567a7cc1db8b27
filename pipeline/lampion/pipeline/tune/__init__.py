"""`lampion tune`: search of training configurations."""
