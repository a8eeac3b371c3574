"""The batch as one transaction that holds its place in the log. Read this package first.

Both kinds of consumer run the same steps on one poll, and only `batch.Flow` orders them:

1. load: positions first, then what the handler asks for, in one causally consistent session;
2. fold: the handler's rule, record by record, in memory, in log order;
3. commit: one transaction with the changed documents, the outcomes and the positions;
4. publish: what the handler derives from the *stored* result and the records of the batch;
5. mark: a second small transaction for fan-outs that were sent;
then the caller commits the offsets. A crash between any two steps repeats the batch without a second effect.

`lanes` does this for several partitions side by side; `cache` is what a flow remembers from one batch to the
next. A service supplies `load`, `rule`, `derive` (and `mark`); its collections say how a value is saved.
"""
