"""The same order there and back through what somebody would take instead: a Celery chord, plain PostgreSQL.

Interleaved with the real dispatch service in one run on one machine, with the same city, the same answers as
bytes, checked by the same model, and the same word for done: the root shows every post, and afterwards the
count of every unit is compared with the truth. None of the rivals speaks Kafka, so they have no topics and no
`dispatch.outsider`; `figures` says what is taken of each and when a run counts.

`celery_chord` and `postgres` are the arms, `chord_tasks`, `chord_client` and `postgres_client` what runs in
processes of their own, `servers` the two servers, `talk` how the bench speaks with a client, `run` the
rounds.
"""
