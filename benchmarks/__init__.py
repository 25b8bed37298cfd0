"""Measurements as ratios against another program or a limit, in the same run."""
