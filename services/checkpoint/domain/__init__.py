"""The rules of gates, passes and crossings. Pure: values and a time in, values out; no I/O, no clock."""
