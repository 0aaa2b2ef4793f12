"""Speed and peak memory of every stage, as ratios to an alternative in the same run."""
