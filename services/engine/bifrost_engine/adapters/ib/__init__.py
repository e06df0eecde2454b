"""Interactive Brokers. Orders are placed here and nowhere else."""
