"""Markets: quotes of one underlying and its options as functions of market time."""
