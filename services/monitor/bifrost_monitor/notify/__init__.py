"""Tells the operator what she must know when she does not look: alerts of the engine, and a lamp that stays red."""
