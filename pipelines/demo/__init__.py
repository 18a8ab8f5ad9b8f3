"""The made-up company: believable drop folders from a seed, with the truth kept beside them."""
