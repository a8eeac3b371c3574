"""Gates under the simulation: real spools on real files, drained into the parent's log, merged by replicas.

`process` is one gate's process: it answers when a crossing is safe, sends what waits, and dies at any step,
leaving the files a power cut leaves. `people` cross; `checks` recounts from the log. The spool's writing
thread is run by hand, a turn at a time, so that a seed replays exactly; what a disk does below a finished
`fsync` is not imitated.
"""
