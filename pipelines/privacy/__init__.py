"""Who is to be forgotten, by which keys, and which rows those keys reach. Frames in, frames out."""
