"""What every part stands on: clock, tasks, files, logs. Knows nothing of Kubernetes."""
