"""FIFO depths from a simulation: what every stream of the pipeline really holds, rounded to what memories cost."""
