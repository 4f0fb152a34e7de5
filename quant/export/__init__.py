"""From a trained twin to an export that the hardware takes, proved exact."""
