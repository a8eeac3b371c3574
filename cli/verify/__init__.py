"""`gridloop verify`: an independent reading of the raw log, compared with what every service has stored.

Written apart: nothing here imports a service, or what services are made of (`shared.domain`, `shared.flow`,
`shared.service`), so that a rule which is wrong there is not wrong here too. Each side says what holds as
*statements*, a place and a value: `<service>.py` what follows from the log, `<service>_stored.py` what the
database has. A test of the house holds the imports.
"""
