"""What numba compiles: loops over arrays, without Python objects."""
