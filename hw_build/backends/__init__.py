"""Other ways to hardware than our own RTL: stock FINN as baseline, and its HLS executed."""
