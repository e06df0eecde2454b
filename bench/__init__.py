"""Side-by-side measurements, each runnable by name: ``python -m bench`` lists them."""
