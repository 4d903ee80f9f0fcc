"""A draft that holds exactly the files and the metadata of a record."""
