"""What a process is made of, whatever its service: settings, logs, health, metrics, HTTP edge, drain."""
