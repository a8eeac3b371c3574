"""How a service runs: one process with its HTTP edge, its consumer groups and its loops (design §7).

A service names its groups, routes and loops; everything else about being a process is here, once.
"""
