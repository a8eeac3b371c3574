"""The rules of the loop. Pure: values and the broker's time in, values out; no I/O, no clock."""
