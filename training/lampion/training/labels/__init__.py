"""Labels of every kind of file, read into frames in Å and eV."""
